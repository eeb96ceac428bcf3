import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createLeasing } from '../../src/fleet/leasing.ts';
import { LEASE_DEFAULTS, type Lease, type Pool } from '../../src/fleet/pool.ts';
import { startFleet, type Fleet } from '../support/fleet.ts';
import { aPool } from '../support/pools.ts';

let fleet: Fleet | undefined;
afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
});

/** Sweeps in every round, and takes an instance for gone that two of them have missed. */
const SWEEPING = { reconcileMs: 200, sweepMs: 200, sweepGraceMs: 100 } as const;

async function lease(on: Fleet, maxRetries: number): Promise<Lease> {
  const nothing = () => undefined;
  const leasing = createLeasing({
    ...{ store: on.store, clock: { now: () => new Date() }, newId: randomUUID },
    log: { info: nothing, warn: nothing, error: nothing },
    jobs: { nudge: nothing, scale: async (pool) => void (await on.queue('scale').add('scale', { pool })) },
    recall: async () => undefined,
  });
  const selector = { pool: 'guests' };
  const request = { ...LEASE_DEFAULTS, owner: 'ann', selector, idempotencyKey: null, maxRetries };
  const asked = await leasing.request({ request, digest: '', by: 'test' });
  if (!('lease' in asked)) throw new Error(`the request was ${asked.kind}`);
  return untilLease(on, asked.lease.id, 'active');
}

function untilLease(on: Fleet, id: string, state: Lease['state']): Promise<Lease> {
  return on.until(`lease ${id} to be ${state}`, async () => {
    const seen = await on.store.readLease(id);
    return seen?.state === state ? seen : undefined;
  });
}

/** Deletes a machine's instance behind the fleet's back, as a cloud does that wants its spot capacity. */
async function vanish(on: Fleet, pool: Pool, machine: string | null): Promise<void> {
  const seen = await on.store.look(machine ?? '');
  const [placement] = pool.placements;
  if (seen === undefined || placement === undefined) throw new Error(`there is no machine ${machine}`);
  const members = [{ machine: seen.id, instance: seen.instance }];
  const call = { verb: 'delete', batch: randomUUID(), placement, members, handle: null } as const;
  await on.cloud.memory.delete(call, new AbortController().signal);
}

describe('a lease whose instance vanishes from the cloud', () => {
  test.each([10, 1])('is retried on another machine, in a pool of at most %i', async (max) => {
    const pool = aPool({ max });
    fleet = await startFleet({ pools: [pool], work: SWEEPING });
    const first = await lease(fleet, 1);
    await vanish(fleet, pool, first.machine);
    const over = await untilLease(fleet, first.id, 'lost');
    expect(over).toMatchObject({ machine: first.machine, retries: 0, retriedBy: expect.any(String) });
    const second = await untilLease(fleet, over.retriedBy ?? '', 'active');
    expect(second).toMatchObject({ owner: 'ann', retries: 1, retryOf: first.id });
    expect(second.machine).not.toBe(first.machine);
    await fleet.untilMachine(first.machine ?? '', 'deleted');

    await vanish(fleet, pool, second.machine);
    expect(await untilLease(fleet, second.id, 'lost')).toMatchObject({ retries: 1, retriedBy: null });
    await fleet.untilMachine(second.machine ?? '', 'deleted');
    expect(await fleet.sql('select state, count(*)::integer as n from lease group by state')).toEqual([
      { state: 'lost', n: 2 },
    ]);
  });

  test('has its user served again before the lost machine is done with', async () => {
    const pool = aPool({ halt: 'none' });
    fleet = await startFleet({ pools: [pool], work: SWEEPING });
    const first = await lease(fleet, 1);
    await vanish(fleet, pool, first.machine);
    const letThrough = fleet.cloud.memory.hold('delete');
    const over = await untilLease(fleet, first.id, 'lost');
    const second = await untilLease(fleet, over.retriedBy ?? '', 'active');
    expect(await fleet.untilMachine(first.machine ?? '', 'deleting')).not.toMatchObject({
      id: second.machine,
    });
    letThrough();
  });

  test('is over where its user asked for no retry', async () => {
    const pool = aPool();
    fleet = await startFleet({ pools: [pool], work: SWEEPING });
    const first = await lease(fleet, 0);
    await vanish(fleet, pool, first.machine);
    expect(await untilLease(fleet, first.id, 'lost')).toMatchObject({ retriedBy: null });
    expect(await fleet.sql('select count(*)::integer as n from lease')).toEqual([{ n: 1 }]);
  });
});
