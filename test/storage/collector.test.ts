import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import { createCollector } from '../../src/storage/collector.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

interface Item {
  key: string;
  value: number;
}

/** A statement that ends when the test says so; it answers each item with its value. */
interface Statement {
  items: readonly Item[];
  end(): void;
  fail(error: unknown): void;
}

function collect(options: { maxItems?: number; inFlight?: number } = {}) {
  const statements: Statement[] = [];
  const ask = createCollector<Item, number>({
    ...{ maxItems: 10, inFlight: 2, ...options },
    key: (item) => item.key,
    run: (items) =>
      new Promise((resolve, reject) => {
        const end = () => resolve(new Map(items.map((item) => [item.key, item.value])));
        statements.push({ items, end, fail: reject });
      }),
  });
  return { ask, statements, sent: () => statements.map(({ items }) => items.map((item) => item.value)) };
}

/** Lets the collector take its turn. */
async function turn(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

const items = (...values: number[]): Item[] => values.map((value) => ({ key: `key ${value}`, value }));
const refusal = () => new FleetError('no', { code: 'refused', remedy: 'give-up' });

describe('a collector', () => {
  test('sends what is asked in one turn in one statement, in order, and answers each its own', async () => {
    const { ask, statements, sent } = collect();
    const answers = Promise.all(items(3, 1, 2).map(ask));
    await turn();
    expect(sent()).toEqual([[3, 1, 2]]);
    statements[0]?.end();
    expect(await answers).toEqual([3, 1, 2]);
  });

  test('never puts two items of one key into one statement, and keeps their order', async () => {
    const { ask, statements, sent } = collect({ inFlight: 1 });
    const all = [
      { key: 'one', value: 1 },
      { key: 'two', value: 2 },
      { key: 'one', value: 3 },
      { key: 'one', value: 4 },
      { key: 'three', value: 5 },
    ];
    const answers = Promise.all(all.map(ask));
    for (let index = 0; index < 3; index += 1) {
      await turn();
      statements[index]?.end();
    }
    expect(sent()).toEqual([[1, 2, 5], [3], [4]]);
    expect(await answers).toEqual([1, 2, 3, 4, 5]);
  });

  test('has no more statements under way than it may, and collects meanwhile', async () => {
    const { ask, statements, sent } = collect({ inFlight: 2 });
    const answers: Promise<number>[] = [];
    for (const item of items(1, 2, 3, 4)) {
      answers.push(ask(item));
      await turn();
    }
    expect(sent()).toEqual([[1], [2]]);
    statements[1]?.end();
    await turn();
    expect(sent()).toEqual([[1], [2], [3, 4]]);
    for (const statement of statements) statement.end();
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4]);
  });

  test('puts no more into a statement than it takes', async () => {
    const { ask, statements, sent } = collect({ maxItems: 2, inFlight: 1 });
    const answers = Promise.all(items(1, 2, 3, 4, 5).map(ask));
    for (let index = 0; index < 3; index += 1) {
      await turn();
      statements[index]?.end();
    }
    expect(sent()).toEqual([[1, 2], [3, 4], [5]]);
    expect(await answers).toEqual([1, 2, 3, 4, 5]);
  });

  test('asks again one by one where one of them was refused, and only that one fails', async () => {
    const { ask, statements, sent } = collect();
    const answers = Promise.allSettled(items(1, 2, 3).map(ask));
    await turn();
    statements[0]?.fail(refusal());
    await turn();
    statements[1]?.end();
    await turn();
    statements[2]?.fail(refusal());
    await turn();
    statements[3]?.end();
    expect((await answers).map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(sent()).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  test('fails all of them at once where the database is away', async () => {
    const { ask, statements, sent } = collect();
    const answers = Promise.allSettled(items(1, 2).map(ask));
    await turn();
    statements[0]?.fail(new FleetError('away', { code: 'unavailable', remedy: 'retry-later' }));
    expect((await answers).map((each) => each.status)).toEqual(['rejected', 'rejected']);
    expect(sent()).toEqual([[1, 2]]);
  });

  test('goes on after a statement that failed', async () => {
    const { ask, statements } = collect({ inFlight: 1 });
    const failed = ask({ key: 'one', value: 1 }).catch((error: unknown) => error);
    await turn();
    statements[0]?.fail(new Error('no'));
    expect(await failed).toEqual(new Error('no'));
    const answer = ask({ key: 'one', value: 2 });
    await turn();
    statements[1]?.end();
    expect(await answer).toBe(2);
  });

  test('fails an item that its statement did not answer', async () => {
    const ask = createCollector<Item, number>({
      ...{ maxItems: 10, inFlight: 1, key: (item) => item.key },
      run: async () => new Map([['key 1', 1]]),
    });
    const [known, unknown] = await Promise.allSettled(items(1, 2).map(ask));
    expect(known).toEqual({ status: 'fulfilled', value: 1 });
    expect(unknown).toMatchObject({ status: 'rejected', reason: { code: 'internal', remedy: 'retry' } });
  });
});

describe('acts that are collected', () => {
  let fleet: RawFleet;
  let storage: Storage;
  beforeAll(async () => {
    fleet = await openRawFleet();
    storage = await createStorage({ url: fleet.url });
  });
  afterAll(async () => {
    await storage.close();
    await fleet.close();
  });

  const act = (machine: string) => {
    const [now, until] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-01-01T00:00:10Z')];
    return { machine, step: 'provision', by: 'a test', now, until, deadlines: {} } as const;
  };
  const wished = () =>
    fleet.machine({ state: 'requested', clean: false, intent_id: randomUUID(), intent_kind: 'provision' });

  test('of one turn are one statement, each with its own answer', async () => {
    const machines = [await wished(), await wished(), await fleet.machine(), randomUUID()];
    const answers = await Promise.all(machines.map((machine) => storage.store.claim(act(machine))));
    expect(answers.map((answer) => [answer.granted, answer.machine?.id])).toEqual([
      [true, machines[0]],
      [true, machines[1]],
      [false, machines[2]],
      [false, undefined],
    ]);
  });

  test('on one machine follow each other: one is granted, the others see what it did', async () => {
    const machine = await wished();
    const answers = await Promise.all([1, 2, 3].map(() => storage.store.claim(act(machine))));
    expect(answers.map((answer) => answer.granted)).toEqual([true, false, false]);
    expect(answers.map((answer) => answer.machine?.token)).toEqual([1, 1, 1]);
  });

  test('do not fail where a neighbour of theirs names no id at all', async () => {
    const machine = await wished();
    const [bad, good] = await Promise.allSettled([
      storage.store.claim(act('no id')),
      storage.store.claim(act(machine)),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'internal', remedy: 'give-up' } });
    expect(good).toMatchObject({ status: 'fulfilled', value: { granted: true } });
    const looks = await Promise.allSettled([storage.store.look('no id'), storage.store.look(machine)]);
    expect(looks.map((look) => look.status)).toEqual(['rejected', 'fulfilled']);
  });
});
