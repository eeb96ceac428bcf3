import { expect, test } from 'vitest';
import { createMemoryStore } from '../../src/explore/memory-store.ts';
import type { Log, Ports } from '../../src/fleet/ports.ts';
import { reconcile } from '../../src/workers/reconcile.ts';
import { createDriver, type Driver } from '../contracts/store/driver.ts';
import { memoryUnderTest } from '../contracts/store/memory-under-test.ts';

const HOUR_MS = 3_600_000;

/** One round that does not sweep; answers what it told, and which pools it rang for. */
async function goRound(on: Driver) {
  const told: { level: keyof Log; fields: Record<string, unknown>; message: string }[] = [];
  const rung: string[] = [];
  const tell = (level: keyof Log) => (fields: Record<string, unknown>, message: string) =>
    void told.push({ level, fields, message });
  const jobs: Partial<Ports['jobs']> = {
    nudge: () => undefined,
    live: async () => new Set(),
    scale: async (pool) => void rung.push(pool),
  };
  const ports: Partial<Ports> = {
    ...{
      store: on.store,
      clock: { now: on.now },
      jobs: jobs as Ports['jobs'],
      witness: async () => undefined,
    },
    log: { info: tell('info'), warn: tell('warn'), error: tell('error') },
    settings: { reconcileMs: 1000, sweepMs: 60_000 } as Ports['settings'],
  };
  const outcome = await reconcile(ports as Ports, { round: 1 }, new AbortController().signal);
  expect(outcome).toEqual({ kind: 'done' });
  return { told, rung };
}

async function emptyFleet(): Promise<Driver> {
  let made = 0;
  const newId = () => `id-${String((made += 1)).padStart(6, '0')}`;
  const memory = createMemoryStore({ clock: { now: () => new Date(0) }, newId });
  return createDriver(memoryUnderTest(memory, newId));
}

test('a round that finds a pool at its daily limit says so once, until when, and rings once it may grow', async () => {
  const on = await emptyFleet();
  await on.apply({ maxMachineHoursPerDay: 1 });
  await on.ready();
  expect(await goRound(on)).toEqual({ told: [], rung: [] });
  on.pass(HOUR_MS);
  const until = on.later(23 * HOUR_MS);
  const fields = { pool: on.name, used: 1, maxPerDay: 1, until };
  const message = expect.stringContaining('maxMachineHoursPerDay');
  expect(await goRound(on)).toEqual({ told: [{ level: 'warn', fields, message }], rung: [] });
  on.pass(1000);
  expect(await goRound(on)).toEqual({ told: [], rung: [] });
  await on.apply({ maxMachineHoursPerDay: 2 });
  const raised = { level: 'info', fields: { pool: on.name, maxPerDay: 2 } };
  expect(await goRound(on)).toMatchObject({ told: [raised], rung: [on.name] });
});

test('a fleet that may grow again has all of its pools rung for', async () => {
  const on = await emptyFleet();
  const pool = await on.apply();
  await on.store.applyPools({ pools: [{ ...pool, name: 'other' }], now: on.now() });
  await on.store.limitMachineHours({ maxPerDay: 1 });
  await on.ready();
  on.pass(HOUR_MS);
  expect(await goRound(on)).toMatchObject({ told: [{ level: 'warn', fields: { pool: 'all' } }], rung: [] });
  await on.store.limitMachineHours({ maxPerDay: null });
  const { told, rung } = await goRound(on);
  expect(told).toMatchObject([{ level: 'info', fields: { pool: 'all' } }]);
  expect(rung.toSorted()).toEqual([on.name, 'other'].toSorted());
});
