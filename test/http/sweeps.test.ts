import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LeftOver } from '../../src/fleet/provider.ts';
import { aPool, startFleet, type Fleet, type Who } from './fleet-server.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const CONFIRM = 'POST /v1/pools/guests/placements/here/confirm-sweep';

/** A sweep by a listing of six strays, a second after the last one. */
async function sweep(second: number, leftOvers: readonly LeftOver[] = []) {
  const [placement = { pool: '', name: '', provider: '', spec: null }] = guests.placements;
  const items = Array.from(
    { length: 6 },
    (_, index) => ({ instance: `i-${index}`, state: 'running', address: null, batch: null }) as const,
  );
  const now = new Date(Date.UTC(2026, 0, 1) + second * 1000);
  const act = {
    placement,
    items,
    leftOvers,
    listedAt: now,
    now,
    graceMs: 0,
    staleAfterMs: 60_000,
    by: 'a test',
  };
  return fleet.store.sweep(act);
}

test('a halted sweep is shown with its pool, and goes on once an operator has confirmed what it found', async () => {
  const halted = async () => (await fleet.send('ann', 'GET /v1/pools/guests')).body.haltedSweeps;
  const early = await fleet.send('operator', CONFIRM, { body: { count: 6 } });
  expect([early.status, early.body.error.code]).toEqual([409, 'nothing_to_confirm']);
  await sweep(0);
  expect(await halted()).toEqual([]);
  await sweep(1);
  const why = 'would condemn 6 instances and 0 left-overs and end 0 machines, and misses 0, of a pool of 0';
  expect(await halted()).toMatchObject([{ placement: 'here', why, count: 6 }]);
  const { body } = await fleet.send('ann', 'GET /v1/status');
  expect(body.pools[0].haltedSweeps).toHaveLength(1);

  const by = async (who: Who, count: number) => (await fleet.send(who, CONFIRM, { body: { count } })).status;
  expect([await by('ann', 6), await by('operator', 5), await by('operator', 6)]).toEqual([403, 409, 200]);
  expect(await sweep(2)).toMatchObject({ verdict: 'go' });
  expect(await halted()).toEqual([]);
});

test('what is left over is shown with its pool while it is being deleted', async () => {
  const disk = { kind: 'disk', id: 'vol-1' } as const;
  const shown = async () => (await fleet.send('ann', 'GET /v1/pools/guests')).body.leftOvers;
  expect(await shown()).toEqual([]);
  expect((await sweep(11, [disk])).leftOvers).toEqual([disk]);
  const [placement = { pool: '', name: '', provider: '', spec: null }] = guests.placements;
  await fleet.store.leftOverRefused({ placement, id: 'vol-1', why: 'VolumeInUse' });
  const [since, nextAt] = ['2026-01-01T00:00:11.000Z', '2026-01-01T00:00:41.000Z'];
  const told = { placement: 'here', since, tries: 1, nextAt, failure: 'VolumeInUse' };
  expect(await shown()).toEqual([{ ...disk, ...told }]);
  await sweep(12);
  expect(await shown()).toEqual([]);
});

test('a sweep of a pool that does not exist is nobody to confirm', async () => {
  const what = 'POST /v1/pools/nowhere/placements/here/confirm-sweep';
  const reply = await fleet.send('operator', what, { body: { count: 1 } });
  expect([reply.status, reply.body.error.code]).toEqual([404, 'unknown_pool']);
});
