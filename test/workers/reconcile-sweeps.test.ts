import { expect, test } from 'vitest';
import { createMemoryStore } from '../../src/explore/memory-store.ts';
import type { Log, Ports } from '../../src/fleet/ports.ts';
import type { InventoryItem, Provider } from '../../src/fleet/provider.ts';
import { reconcile } from '../../src/workers/reconcile.ts';
import { createDriver, type Driver } from '../contracts/store/driver.ts';
import { memoryUnderTest } from '../contracts/store/memory-under-test.ts';

const SWEEP_MS = 60_000;
const NOTHING_ELSE = { disks: [], networkCards: [], addresses: [] };

interface Told {
  level: keyof Log;
  fields: Record<string, unknown>;
}

/** One round that sweeps, a minute after the last; answers what it told. */
async function goRound(on: Driver, instances: readonly InventoryItem[]): Promise<Told[]> {
  on.pass(SWEEP_MS);
  const told: Told[] = [];
  const tell = (level: keyof Log) => (fields: Record<string, unknown>) => void told.push({ level, fields });
  const ports: Partial<Ports> = {
    store: on.store,
    clock: { now: on.now },
    jobs: { nudge: () => undefined, live: async () => new Set() } as Partial<Ports['jobs']> as Ports['jobs'],
    log: { info: tell('info'), warn: tell('warn'), error: tell('error') },
    provider: () =>
      ({ inventory: async () => ({ ...NOTHING_ELSE, instances }) }) as Partial<Provider> as Provider,
    witness: async () => undefined,
    settings: { ...{ reconcileMs: SWEEP_MS, sweepMs: SWEEP_MS }, sweepGraceMs: 1 } as Ports['settings'],
  };
  const outcome = await reconcile(ports as Ports, { round: 1 }, new AbortController().signal);
  expect(outcome).toEqual({ kind: 'done' });
  return told;
}

function strays(count: number): InventoryItem[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ instance: `i-${index}`, state: 'running', address: null, batch: null },
  }));
}

async function emptyFleet(): Promise<Driver> {
  let made = 0;
  const newId = () => `id-${String((made += 1)).padStart(6, '0')}`;
  const memory = createMemoryStore({ clock: { now: () => new Date(0) }, newId });
  const on = createDriver(memoryUnderTest(memory, newId));
  await on.apply();
  return on;
}

test('a round whose sweep halts says so as an error, with pool, placement and counts, at each sweep', async () => {
  const on = await emptyFleet();
  expect(await goRound(on, strays(6))).toEqual([]);
  const place = { pool: on.name, placement: 'here' };
  const halted = [{ level: 'error', fields: { ...place, machines: 0, condemns: 6, ends: 0, vanished: 0 } }];
  expect(await goRound(on, strays(6))).toMatchObject(halted);
  expect(await goRound(on, strays(6))).toMatchObject(halted);
  expect(await on.living()).toEqual([]);
});

test('a round that sweeps for the first time in ten sweeps only warns of what it found', async () => {
  const on = await emptyFleet();
  await goRound(on, strays(1));
  on.pass(10 * SWEEP_MS);
  expect(await goRound(on, strays(1))).toMatchObject([{ level: 'warn', fields: { condemns: 1 } }]);
  expect(await on.living()).toEqual([]);
  expect(await goRound(on, strays(1))).toMatchObject([{ level: 'warn', fields: { condemned: ['i-0'] } }]);
});
