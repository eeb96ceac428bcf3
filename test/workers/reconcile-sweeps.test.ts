import { expect, test } from 'vitest';
import { createMemoryStore } from '../../src/explore/memory-store.ts';
import { FleetError } from '../../src/fleet/errors.ts';
import type { Log, Ports } from '../../src/fleet/ports.ts';
import type { InventoryItem, LeftOver, Provider } from '../../src/fleet/provider.ts';
import { reconcile } from '../../src/workers/reconcile.ts';
import { createDriver, type Driver } from '../contracts/store/driver.ts';
import { memoryUnderTest } from '../contracts/store/memory-under-test.ts';

const SWEEP_MS = 60_000;

interface Told {
  level: keyof Log;
  fields: Record<string, unknown>;
}

interface Given {
  leftOvers?: readonly LeftOver[];
  deleteLeftOver?: (leftOver: LeftOver) => Promise<void>;
  /** The placement that cannot be listed. */
  awayAt?: string;
}

/** One round that sweeps, a minute after the last; answers what it told. */
async function goRound(on: Driver, instances: readonly InventoryItem[], given: Given = {}): Promise<Told[]> {
  on.pass(SWEEP_MS);
  const told: Told[] = [];
  const tell = (level: keyof Log) => (fields: Record<string, unknown>) => void told.push({ level, fields });
  const ports: Partial<Ports> = {
    store: on.store,
    clock: { now: on.now },
    jobs: { nudge: () => undefined, live: async () => new Set() } as Partial<Ports['jobs']> as Ports['jobs'],
    log: { info: tell('info'), warn: tell('warn'), error: tell('error') },
    provider: () =>
      ({
        async inventory({ name }) {
          if (name === given.awayAt) throw new FleetError('away', { code: 'unavailable', remedy: 'retry' });
          return { instances, leftOvers: given.leftOvers ?? [] };
        },
        deleteLeftOver: async (_placement, leftOver) => given.deleteLeftOver?.(leftOver),
      }) as Partial<Provider> as Provider,
    witness: async () => undefined,
    settings: { ...{ reconcileMs: SWEEP_MS, sweepMs: SWEEP_MS }, sweepGraceMs: 1 } as Ports['settings'],
  };
  const outcome = await reconcile(ports as Ports, { round: 1 }, new AbortController().signal);
  expect(outcome).toMatchObject({ kind: 'done' });
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

/** Two disks that the next round is to delete. */
async function leftOver(on: Driver): Promise<LeftOver[]> {
  const leftOvers: LeftOver[] = ['vol-1', 'vol-2'].map((id) => ({ kind: 'disk', id }));
  await goRound(on, [], { leftOvers });
  return leftOvers;
}

test('a round deletes what is left over, and one that is refused holds up no other', async () => {
  const on = await emptyFleet();
  const leftOvers = await leftOver(on);
  const asked: string[] = [];
  const told = await goRound(on, [], {
    leftOvers,
    async deleteLeftOver({ id }) {
      asked.push(id);
      if (id === 'vol-1') throw new FleetError('VolumeInUse', { code: 'wrong-state', remedy: 'retry' });
    },
  });
  expect(asked).toEqual(['vol-1', 'vol-2']);
  expect(told.map(({ fields }) => fields['id'])).toEqual(asked);
  const seen = await on.store.leftOvers();
  expect(seen).toMatchObject([
    { id: 'vol-1', failure: 'VolumeInUse' },
    { id: 'vol-2', failure: null },
  ]);
});

test.each(['throttled', 'unavailable', 'unknown-reply'] as const)(
  'a round leaves a cloud alone that answers a deletion with %s',
  async (code) => {
    const on = await emptyFleet();
    const leftOvers = await leftOver(on);
    const asked: string[] = [];
    await goRound(on, [], {
      leftOvers,
      async deleteLeftOver({ id }) {
        asked.push(id);
        throw new FleetError('the cloud is tired', { code, remedy: 'retry-later' });
      },
    });
    expect(asked).toEqual(['vol-1']);
  },
);

test('a round whose sweep halts or is frozen deletes nothing that is left over', async () => {
  const on = await emptyFleet();
  const asked: string[] = [];
  const deleteLeftOver = async ({ id }: LeftOver): Promise<void> => void asked.push(id);
  const leftOvers = await leftOver(on);
  const frozen = { verbs: ['delete'] as const, by: 'ada', now: on.now() };
  await on.store.setFreeze({ ...frozen, frozen: true });
  await goRound(on, strays(6), { leftOvers, deleteLeftOver });
  await on.store.setFreeze({ ...frozen, frozen: false });
  await goRound(on, strays(6), { leftOvers, deleteLeftOver });
  expect(asked).toEqual([]);
  await goRound(on, [], { leftOvers, deleteLeftOver });
  expect(asked).toEqual(['vol-1', 'vol-2']);
});

test('a placement that cannot be listed keeps no other one from being swept', async () => {
  const on = await emptyFleet();
  const { placements } = await on.apply();
  const [here] = placements;
  if (here === undefined) throw new Error('the pool has no placement');
  await on.apply({ placements: [here, { ...here, name: 'there' }] });
  await goRound(on, [], { awayAt: 'here' });
  await goRound(on, strays(1), { awayAt: 'here' });
  await goRound(on, strays(1), { awayAt: 'here' });
  expect(await on.living()).toMatchObject([{ placement: 'there', instance: 'i-0' }]);
});
