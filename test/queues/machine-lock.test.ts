import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createMachineLocks, type MachineLocks } from '../../src/queues/machine-lock.ts';
import { openQueues, type OpenQueues, until } from './open-queues.ts';

function openLocks(queues: OpenQueues, ttlMs = 20_000): MachineLocks {
  const locks = createMachineLocks({ connection: queues.redis, prefix: queues.prefix, ttlMs });
  onTestFinished(() => locks.stop());
  return locks;
}

/** Two processes of one installation. */
function twoProcesses(ttlMs?: number) {
  const queues = openQueues();
  return { queues, one: openLocks(queues, ttlMs), two: openLocks(openQueues(queues.prefix), ttlMs) };
}

const isAborted = (signal: AbortSignal) =>
  until('its signal', async () => (signal.aborted ? true : undefined));

describe('a machine’s lock', () => {
  test('is held by one process, until it is unlocked', async () => {
    const { one, two } = twoProcesses();
    const held = await one.lock('m');
    expect(held).toBeDefined();
    expect(await two.lock('m')).toBeUndefined();
    expect(await one.lock('m')).toBeUndefined();
    expect(await two.lock('another')).toBeDefined();
    await held?.unlock();
    expect(await two.lock('m')).toBeDefined();
  });

  test('goes to exactly one of many who ask at once', async () => {
    const { one, two } = twoProcesses();
    const asked = await Promise.all([one, two, one, two, one].map((locks) => locks.lock('m')));
    expect(asked.filter((each) => each !== undefined).length).toBe(1);
  });

  test('is kept for longer than it lives without being renewed', async () => {
    const { queues, one, two } = twoProcesses(900);
    const held = await one.lock('m');
    const key = `${queues.prefix}:lock:m`;
    let [renewals, last] = [0, Infinity];
    await until('some renewals', async () => {
      const left = await queues.redis.pttl(key);
      if (left > last) renewals += 1;
      last = left;
      return renewals >= 4 ? true : undefined;
    });
    expect(await two.lock('m')).toBeUndefined();
    expect(held?.signal.aborted).toBe(false);
  });

  test('of a process that is gone runs out by itself', async () => {
    const { one, two } = twoProcesses(1000);
    const held = await one.lock('m');
    one.stop();
    expect(held?.signal.aborted).toBe(true);
    expect(await two.lock('m')).toBeUndefined();
    expect(await until('the lock to run out', () => two.lock('m'))).toBeDefined();
  });

  test('tells its holder by a signal that it was lost', async () => {
    const { queues, one } = twoProcesses(900);
    const [lost, kept] = [await one.lock('m'), await one.lock('another')];
    await queues.redis.set(`${queues.prefix}:lock:m`, 'somebody else');
    if (lost !== undefined) await isAborted(lost.signal);
    expect(lost?.signal.reason).toEqual(new Error('the machine lock was lost'));
    expect(kept?.signal.aborted).toBe(false);
  });

  test('tells its holder too where another job of the same process has it now', async () => {
    const { queues, one } = twoProcesses();
    const lost = await one.lock('m');
    await queues.redis.del(`${queues.prefix}:lock:m`);
    const now = await one.lock('m');
    expect([lost?.signal.aborted, now?.signal.aborted]).toEqual([true, false]);
    await lost?.unlock();
    expect(await queues.redis.exists(`${queues.prefix}:lock:m`)).toBe(1);
  });

  test('is unlocked by nobody but its holder', async () => {
    const { queues, one, two } = twoProcesses();
    const late = await one.lock('m');
    await queues.redis.del(`${queues.prefix}:lock:m`);
    const held = await two.lock('m');
    await late?.unlock();
    expect(await one.lock('m')).toBeUndefined();
    await held?.unlock();
    await held?.unlock();
    expect(await one.lock('m')).toBeDefined();
  });

  test('unlocked by a late holder is not taken from the next', async () => {
    const { queues, one, two } = twoProcesses();
    const first = await one.lock('m');
    await first?.unlock();
    await two.lock('m');
    await first?.unlock();
    expect(await queues.redis.exists(`${queues.prefix}:lock:m`)).toBe(1);
  });
});

test('what concurrent jobs ask in one turn is one script, each with its own answer', async () => {
  const { queues, one, two } = twoProcesses();
  await two.lock('m 3');
  const scripts = vi.spyOn(queues.redis, 'eval');
  const names = Array.from({ length: 50 }, (_, index) => `m ${index}`);
  const held = await Promise.all(names.map((name) => one.lock(name)));
  expect(scripts).toHaveBeenCalledTimes(1);
  expect(held.flatMap((each, index) => (each === undefined ? [index] : []))).toEqual([3]);
  await Promise.all(held.map(async (each) => each?.unlock()));
  expect(scripts).toHaveBeenCalledTimes(2);
  expect(await queues.redis.keys(`${queues.prefix}:lock:*`)).toEqual([`${queues.prefix}:lock:m 3`]);
});

test('a lock that cannot be asked for is an error, and unlocking is none', async () => {
  const queues = openQueues();
  const locks = openLocks(queues);
  const held = await locks.lock('m');
  queues.redis.disconnect();
  await expect(locks.lock('another')).rejects.toThrow('closed');
  await held?.unlock();
});
