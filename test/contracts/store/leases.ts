import { expect, it } from 'vitest';
import type { LeaseRequest } from '../../../src/fleet/pool.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function leasesContract(given: Given): void {
  requestContract(given);
  endContract(given);
  clockContract(given);
}

function requestContract(given: Given): void {
  const asked = (on: Driver, idempotencyKey: string | null): LeaseRequest => ({
    ...{ owner: on.ada, selector: { pool: on.name }, priority: 3, idempotencyKey },
    ...{ waitTimeoutMs: 60_000, heartbeatTimeoutMs: 20_000, maxDurationMs: 600_000, maxRetries: 0 },
  });

  it('a request is pending until its wait is over', async () => {
    const on = given();
    const id = on.newId();
    const request = asked(on, null);
    const answer = await on.store.requestLease({
      id,
      request,
      pools: [on.name],
      now: on.now(),
      digest: 'one',
    });
    expect(answer).toMatchObject({
      created: true,
      lease: {
        ...{ id, owner: on.ada, state: 'pending', outcome: null, machine: null, pool: null, address: null },
        ...{ pools: [on.name], priority: 3, requestedAt: on.now(), deadlineAt: on.later(60_000) },
      },
    });
    expect(await on.store.readLease(id)).toMatchObject({ state: 'pending' });
    expect(await on.store.readLease(on.newId())).toBeUndefined();
  });

  it('the same key of the same owner gives the same lease, with another request it is a conflict', async () => {
    const on = given();
    const request = asked(on, on.newId());
    const act = { request, pools: [on.name], now: on.now(), digest: 'one' };
    const id = on.newId();
    await on.store.requestLease({ ...act, id });
    expect(await on.store.requestLease({ ...act, id: on.newId() })).toMatchObject({
      created: false,
      lease: { id },
    });
    expect(await on.store.requestLease({ ...act, id: on.newId(), digest: 'two' })).toBe('conflict');
    const other = { ...request, owner: on.grace };
    expect(await on.store.requestLease({ ...act, id: on.newId(), request: other })).toMatchObject({
      created: true,
    });
  });

  it('requests without a key are each their own', async () => {
    const on = given();
    const act = { request: asked(on, null), pools: [on.name], now: on.now(), digest: 'one' };
    expect(await on.store.requestLease({ ...act, id: on.newId() })).toMatchObject({ created: true });
    expect(await on.store.requestLease({ ...act, id: on.newId() })).toMatchObject({ created: true });
  });
}

function endContract(given: Given): void {
  it('ending a pending request cancels it', async () => {
    const on = given();
    await on.apply();
    const lease = await on.request();
    expect(await on.end(lease)).toMatchObject({
      state: 'cancelled',
      outcome: 'cancelled',
      endedAt: on.now(),
    });
    expect(await on.match()).toEqual([]);
  });

  it('ending an active lease opens its recycle in the same act, and shows its outcome', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    expect(await on.end(lease, 'failed')).toMatchObject({ state: 'ending', outcome: 'failed', machine });
    expect(await on.seen(machine)).toMatchObject({
      ...{ state: 'leased', intentKind: 'recycle', owed: 'stop', deadlineAt: on.later(60_000), lease },
    });
  });

  it('ending an ended lease changes nothing', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    await on.end(lease, 'failed');
    const before = await on.seen(machine);
    expect(await on.end(lease, 'completed')).toMatchObject({ state: 'ending', outcome: 'failed' });
    expect(await on.seen(machine)).toEqual(before);
    const cancelled = await on.request();
    await on.end(cancelled);
    expect(await on.end(cancelled, 'completed')).toMatchObject({ state: 'cancelled' });
  });

  it("nobody ends another owner's lease but an operator", async () => {
    const on = given();
    const { lease } = await on.leased();
    expect(await on.end(lease, 'completed', on.grace)).toBeUndefined();
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'active' });
    expect(await on.end(lease, 'cancelled', null)).toMatchObject({ state: 'ending', outcome: 'cancelled' });
    expect(await on.end(on.newId())).toBeUndefined();
  });

  it.each([
    ['whose pool deletes after each lease', { recycle: 'delete' }],
    ['at the end of its uses', { maxUses: 1 }],
    ['of a pool that drains', { draining: true }],
  ] as const)('a machine %s is retired, not recycled', async (_, change) => {
    const on = given();
    await on.apply();
    const { machine, lease } = await on.leased();
    await on.apply(change);
    await on.end(lease);
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'retire' });
  });

  it('a machine with uses left is recycled', async () => {
    const on = given();
    await on.apply({ maxUses: 2 });
    const { machine, lease } = await on.leased();
    await on.end(lease);
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'recycle', uses: 1 });
  });
}

function clockContract(given: Given): void {
  const expire = async (on: Driver): Promise<Map<string, string | null>> => {
    const ended = await on.store.expireLeases({ now: on.now(), by: 'reconcile', limit: 1000 });
    return new Map(ended.map((lease) => [lease.id, `${lease.state} ${lease.outcome} ${lease.reason}`]));
  };

  it('a heartbeat extends an active lease, never beyond its longest duration', async () => {
    const on = given();
    const { lease } = await on.leased({ heartbeatTimeoutMs: 20_000, maxDurationMs: 30_000 });
    expect(await on.store.readLease(lease)).toMatchObject({
      deadlineAt: on.later(20_000),
      activeAt: on.now(),
    });
    on.pass(5000);
    const beat = { lease, owner: on.ada, now: on.now() };
    expect(await on.store.heartbeat(beat)).toMatchObject({ deadlineAt: on.later(20_000) });
    on.pass(10_000);
    expect(await on.store.heartbeat({ ...beat, now: on.now() })).toMatchObject({
      deadlineAt: on.later(15_000),
    });
    expect(await on.store.heartbeat({ ...beat, owner: on.grace })).toBeUndefined();
  });

  it('a heartbeat of a lease that is ending changes nothing', async () => {
    const on = given();
    const { lease } = await on.leased();
    await on.end(lease);
    expect(await on.store.heartbeat({ lease, owner: on.ada, now: on.now() })).toMatchObject({
      ...{ state: 'ending', deadlineAt: on.later(900_000) },
    });
  });

  it('a request that waited too long fails, for want of capacity or of a pool', async () => {
    const on = given();
    await on.apply();
    const waited = await on.request({ waitTimeoutMs: 1000 });
    const patient = await on.request({ waitTimeoutMs: 1001 });
    on.pass(1000);
    expect((await expire(on)).get(waited)).toBe('failed failed no-capacity');
    expect(await on.store.readLease(patient)).toMatchObject({ state: 'pending' });
    await on.apply({ draining: true });
    on.pass(1);
    expect((await expire(on)).get(patient)).toBe('failed failed pool-drained');
  });

  it('an active lease expires without a heartbeat, and its machine is recycled', async () => {
    const on = given();
    const { machine, lease } = await on.leased({ heartbeatTimeoutMs: 20_000 });
    on.pass(19_999);
    expect((await expire(on)).has(lease)).toBe(false);
    on.pass(1);
    expect((await expire(on)).get(lease)).toBe('ending expired heartbeat');
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intentKind: 'recycle' });
    expect((await expire(on)).has(lease)).toBe(false);
  });

  it('a lease that is ending waits for its machine: its deadline is only put off', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    await on.end(lease);
    on.pass(900_000);
    const before = await on.seen(machine);
    expect((await expire(on)).has(lease)).toBe(false);
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', deadlineAt: on.later(900_000) });
    expect(await on.seen(machine)).toEqual(before);
  });

  it('an active lease expires at the end of its longest duration', async () => {
    const on = given();
    const { lease } = await on.leased({ heartbeatTimeoutMs: 20_000, maxDurationMs: 20_000 });
    on.pass(20_000);
    expect((await expire(on)).get(lease)).toBe('ending expired max-duration');
  });

  it('a request whose wait is over is not matched any more, even before it was expired', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const lease = await on.request({ waitTimeoutMs: 1000 });
    on.pass(1000);
    expect(await on.match()).toEqual([]);
    expect(await on.states(machine)).toEqual(['ready']);
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'pending' });
  });
}
