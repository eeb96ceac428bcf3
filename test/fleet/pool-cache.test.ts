import { expect, test } from 'vitest';
import { createPoolCache } from '../../src/fleet/pool-cache.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import { aPool } from '../support/pools.ts';

const AGE_MS = 1000;

/** A store whose pools a test changes, and a clock that stands until it is moved. */
function cached() {
  const stored = new Map<string, Pool>();
  const asked: string[] = [];
  let failure: Error | undefined;
  let nowMs = 0;
  const pool = createPoolCache({
    store: {
      async pool(name) {
        asked.push(name);
        if (failure !== undefined) throw failure;
        return stored.get(name);
      },
    },
    clock: { now: () => new Date(nowMs) },
    ageMs: AGE_MS,
  });
  return {
    ...{ pool, stored, asked },
    move: (ms: number) => void (nowMs += ms),
    fail: (error: Error | undefined) => void (failure = error),
  };
}

test('a pool is read once, however many ask at once or soon after', async () => {
  const { pool, stored, asked, move } = cached();
  stored.set('guests', aPool());
  const answers = await Promise.all([pool('guests'), pool('guests'), pool('guests')]);
  move(AGE_MS - 1);
  expect([...answers, await pool('guests')]).toEqual(Array(4).fill(aPool()));
  expect(asked).toEqual(['guests']);
});

test('a pool is never older than it may be', async () => {
  const { pool, stored, move } = cached();
  stored.set('guests', aPool({ max: 1 }));
  expect((await pool('guests'))?.max).toBe(1);
  stored.set('guests', aPool({ max: 2 }));
  expect((await pool('guests'))?.max).toBe(1);
  move(AGE_MS);
  expect((await pool('guests'))?.max).toBe(2);
});

test('each pool has an age of its own', async () => {
  const { pool, asked, move } = cached();
  await pool('one');
  move(600);
  await pool('two');
  move(600);
  await Promise.all([pool('one'), pool('two')]);
  expect(asked).toEqual(['one', 'two', 'one']);
});

test('a read that failed is not kept: the next one asks again', async () => {
  const { pool, stored, fail, asked } = cached();
  stored.set('guests', aPool());
  fail(new Error('away'));
  await expect(pool('guests')).rejects.toThrow('away');
  fail(undefined);
  expect(await pool('guests')).toEqual(aPool());
  expect(asked.length).toBe(2);
});

test('a pool that is not there is looked for again once it is old', async () => {
  const { pool, stored, move } = cached();
  expect(await pool('guests')).toBeUndefined();
  stored.set('guests', aPool());
  expect(await pool('guests')).toBeUndefined();
  move(AGE_MS);
  expect(await pool('guests')).toEqual(aPool());
});
