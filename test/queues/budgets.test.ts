import { describe, expect, test } from 'vitest';
import { createBudgets } from '../../src/queues/budgets.ts';
import { forgetEverything, openQueues, until } from './open-queues.ts';

function twoProcesses() {
  const queues = openQueues();
  const { prefix } = queues;
  const [first, second] = [queues.redis, openQueues(prefix).redis];
  return {
    queues,
    one: createBudgets({ connection: first, prefix }),
    two: createBudgets({ connection: second, prefix }),
  };
}

const slow = { key: 'aws:123:eu-west-1:RunInstances', max: 4, refillPerSecond: 0.001 };

describe('a budget', () => {
  test('is shared by two processes, and so is the wait when it is spent', async () => {
    const { one, two } = twoProcesses();
    expect(await one.take(slow, 3)).toBe(0);
    expect(await two.take(slow, 1)).toBe(0);
    const [first, second] = [await one.take(slow, 1), await two.take(slow, 1)];
    expect(first).toBeGreaterThan(900_000);
    expect(Math.abs(first - second)).toBeLessThan(5000);
  });

  test('gives all that is asked for or nothing', async () => {
    const { one, two } = twoProcesses();
    expect(await one.take(slow, 2)).toBe(0);
    expect(await one.take(slow, 3)).toBeGreaterThan(0);
    expect(await two.take(slow, 2)).toBe(0);
  });

  test('lets more than it holds go when it is full', async () => {
    const { one } = twoProcesses();
    expect(await one.take(slow, 100)).toBe(0);
    expect(await one.take(slow, 1)).toBeGreaterThan(0);
  });

  test('of each key is its own', async () => {
    const { one } = twoProcesses();
    await one.take(slow, 4);
    expect(await one.take({ ...slow, key: 'aws:123:eu-west-1:TerminateInstances' }, 4)).toBe(0);
  });

  test('never gives more than its burst and what has flowed in since, however many ask', async () => {
    const { one, two } = twoProcesses();
    const bucket = { key: 'fast', max: 10, refillPerSecond: 50 };
    const began = performance.now();
    let taken = 0;
    const take = async (budgets: typeof one) => {
      while (performance.now() - began < 1000) if ((await budgets.take(bucket, 1)) === 0) taken += 1;
    };
    await Promise.all([take(one), take(two), take(one), take(two)]);
    const most = bucket.max + (bucket.refillPerSecond * (performance.now() - began)) / 1000;
    expect(taken).toBeLessThanOrEqual(most);
    expect(taken).toBeGreaterThan(bucket.max + 20);
  });

  test('gives again after the wait it named', async () => {
    const { one, two } = twoProcesses();
    const bucket = { key: 'soon', max: 1, refillPerSecond: 10 };
    await one.take(bucket, 1);
    const waitMs = await one.take(bucket, 1);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(100);
    const asked = performance.now();
    await until('the next token', async () => ((await two.take(bucket, 1)) === 0 ? true : undefined));
    expect(performance.now() - asked).toBeGreaterThan(waitMs - 50);
  });
});

describe('a cloud that throttles', () => {
  const bucket = { key: 'throttled', max: 100, refillPerSecond: 1000 };

  test('closes its budget for everybody for as long as it said', async () => {
    const { one, two } = twoProcesses();
    expect(await one.take(bucket, 1)).toBe(0);
    await one.throttled(bucket, 60_000);
    for (const budgets of [one, two]) {
      const waitMs = await budgets.take(bucket, 1);
      expect(waitMs).toBeGreaterThan(55_000);
      expect(waitMs).toBeLessThanOrEqual(60_000);
    }
  });

  test('is never heard less because it spoke again', async () => {
    const { one, two } = twoProcesses();
    await one.throttled(bucket, 60_000);
    await two.throttled(bucket, 10);
    expect(await one.take(bucket, 1)).toBeGreaterThan(55_000);
  });

  test('leaves an empty budget, which fills from the moment it opens', async () => {
    const { one } = twoProcesses();
    const slowly = { key: 'opens', max: 100, refillPerSecond: 10 };
    await one.throttled(slowly, 50);
    await until('it to open', async () => ((await one.take(slowly, 1)) === 0 ? true : undefined));
    expect(await one.take(slowly, 50)).toBeGreaterThan(1000);
  });

  test('that names no time empties its budget at least', async () => {
    const { one } = twoProcesses();
    await one.throttled(slow, 0);
    expect(await one.take(slow, 1)).toBeGreaterThan(0);
    await one.throttled(slow, -5);
    expect(await one.take(slow, 1)).toBeGreaterThan(0);
  });
});

test('a budget that Redis has forgotten begins anew', async () => {
  const { queues, one } = twoProcesses();
  await one.take(slow, 4);
  expect(await forgetEverything(queues)).toBeGreaterThan(0);
  expect(await one.take(slow, 4)).toBe(0);
});
