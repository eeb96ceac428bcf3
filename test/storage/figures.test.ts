import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FleetFigures } from '../../src/fleet/figures.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

let fleet: RawFleet;
let storage: Storage;
beforeEach(async () => {
  fleet = await openRawFleet();
  storage = await createStorage({ url: fleet.url });
  await fleet.run(
    `insert into pool (name, spec, owner, recycle, max, draining, created_at, updated_at)
      values ('spare', '{"minIdle": 2}', 'api', 'reset', 5, true, now(), now())`,
  );
});
afterEach(async () => {
  await storage.close();
  await fleet.close();
});

const now = new Date('2030-01-01T01:00:00Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const figures = (): Promise<FleetFigures> => storage.views.figures(now);

test('an empty fleet has its pools and no groups', async () => {
  expect(await figures()).toEqual({
    pools: [
      { pool: 'guests', max: 9, minIdle: 0, draining: false },
      { pool: 'spare', max: 5, minIdle: 2, draining: true },
    ],
    ...{ machines: [], overdueMachines: [], owed: [], setAside: [], leases: [], poolLeases: [] },
    ...{ overdueLeases: 0, batches: [], outbox: { due: 0, oldestSeconds: 0 }, placements: [], sweeps: [] },
    frozen: expect.arrayContaining([
      { verb: 'launch', frozen: false },
      { verb: 'delete', frozen: false },
    ]),
    total: { machinesRequested: [], machinesDeleted: [], leasesEnded: [], batchesEnded: [] },
  });
});

test('machines are counted by state and by what they owe, with those overdue and those set aside', async () => {
  await fleet.machine();
  await fleet.machine({ state: 'deleted' });
  await fleet.machine({ pool: 'spare', state: 'booting', deadline_at: ago(0) });
  await fleet.machine({ pool: 'spare', state: 'booting', deadline_at: ago(-1) });
  const retire = () => ({ state: 'deleting', intent_id: randomUUID(), intent_kind: 'retire' });
  await fleet.machine({ ...retire(), refusals: 2, refused_since: ago(70) });
  await fleet.machine({ ...retire(), refusals: 1, refused_since: ago(30) });
  await fleet.machine(retire());
  const found = await figures();
  expect(found.machines).toHaveLength(3);
  expect(found.machines).toEqual(
    expect.arrayContaining([
      { pool: 'guests', state: 'ready', count: 1 },
      { pool: 'guests', state: 'deleting', count: 3 },
      { pool: 'spare', state: 'booting', count: 2 },
    ]),
  );
  expect(found.overdueMachines).toEqual([{ pool: 'spare', state: 'booting', count: 1 }]);
  expect(found.owed).toEqual([{ pool: 'guests', step: 'delete', count: 3 }]);
  expect(found.setAside).toEqual([{ pool: 'guests', count: 2, oldestSeconds: 70 }]);
  expect(found.total.machinesRequested).toEqual([
    { pool: 'guests', count: 5 },
    { pool: 'spare', count: 2 },
  ]);
  expect(found.total.machinesDeleted).toEqual([{ pool: 'guests', count: 1 }]);
});

test('leases are counted once each, and by pool as many times as there are pools to serve them', async () => {
  const waiting = { requested_at: ago(40), pools: ['guests', 'spare'], deadline_at: ago(-1) };
  await fleet.lease(waiting);
  await fleet.lease({ ...waiting, requested_at: ago(90), pools: ['spare'], deadline_at: ago(0) });
  await fleet.lease({ state: 'failed', outcome: 'failed', ended_at: ago(5) });
  await fleet.lease({ state: 'lost', outcome: 'lost', ended_at: ago(5), pool: 'spare' });
  const found = await figures();
  expect(found.leases).toEqual([{ state: 'pending', count: 2 }]);
  expect(found.poolLeases).toEqual(
    expect.arrayContaining([
      { pool: 'guests', state: 'pending', count: 1, oldestSeconds: 40 },
      { pool: 'spare', state: 'pending', count: 2, oldestSeconds: 90 },
    ]),
  );
  expect(found.overdueLeases).toBe(1);
  expect(found.total.leasesEnded).toEqual([
    { pool: '', state: 'failed', count: 1 },
    { pool: 'spare', state: 'lost', count: 1 },
  ]);
});

test('batches, outbox, placements, sweeps and freezes are told as they stand', async () => {
  await fleet.batch({ lane: 'set', state: 'sent', failures: 3 });
  await fleet.batch({ lane: 'set', state: 'sent' });
  await fleet.batch({ lane: 'set', state: 'ended', ended_at: ago(5) });
  await fleet.run(`insert into outbox (kind, due_at) values ('wake', $1), ('wake', $2)`, [ago(7), ago(-7)]);
  await fleet.run(
    `insert into placement (pool, name, failures, cool_until) values ('spare', 'here', 4, $1), ('spare', 'there', 1, $2)`,
    [ago(-16), ago(16)],
  );
  const halt = [ago(20), ago(10)];
  await fleet.run(
    `insert into sweep (pool, placement, listed_at, halted_at, halt_why, halt_counts, sighted, condemned, lost)
      values ('spare', 'here', $1, $2, 'too much', '{}', 6, 5, 4)`,
    halt,
  );
  await fleet.run(
    `insert into left_over (pool, placement, id, kind, sighted_at, condemned_at)
      values ('spare', 'here', 'vol-1', 'disk', $1, $1), ('spare', 'here', 'vol-2', 'disk', $1, null),
        ('spare', 'there', 'vol-3', 'disk', $1, $1)`,
    [ago(20)],
  );
  await storage.store.setFreeze({ verbs: ['delete'], frozen: true, by: 'test', now });
  const found = await figures();
  expect(found.batches).toEqual([{ lane: 'set', verb: 'launch', state: 'sent', count: 2, failing: 1 }]);
  expect(found.total.batchesEnded).toEqual([{ lane: 'set', verb: 'launch', count: 1 }]);
  expect(found.outbox).toEqual({ due: 1, oldestSeconds: 7 });
  expect(found.placements).toEqual([
    { pool: 'spare', placement: 'here', failures: 4, coolSeconds: 16 },
    { pool: 'spare', placement: 'there', failures: 1, coolSeconds: 0 },
  ]);
  const place = { pool: 'spare', placement: 'here' };
  const totals = { sighted: 6, condemned: 5, lost: 4, leftOvers: 1 };
  expect(found.sweeps).toEqual([{ ...place, listedSecondsAgo: 20, halted: true, ...totals }]);
  expect(found.frozen).toContainEqual({ verb: 'delete', frozen: true });
});

test('totals stay what they were when what they counted is purged', async () => {
  const old = ago(3600);
  for (let count = 1; count <= 3; count += 1) {
    await fleet.machine({ state: 'deleted', state_since: old });
    await fleet.lease({ state: 'completed', outcome: 'completed', ended_at: old, pool: 'guests' });
    await fleet.lease({ state: 'cancelled', outcome: 'cancelled', ended_at: old });
    await fleet.batch({ lane: 'set', state: 'ended', ended_at: old });
  }
  const { total } = await figures();
  expect(total.leasesEnded.map(({ count }) => count)).toEqual([3, 3]);
  for (const limit of [1, 1, 10]) {
    await storage.store.purge({ before: ago(60), now, limit });
    expect((await figures()).total).toEqual(total);
  }
  expect(await fleet.run('select id from lease')).toEqual([]);
  expect(await fleet.run('select id from batch')).toEqual([]);
});
