import { expect, it } from 'vitest';
import type { LeaseOutcome } from '../../../src/fleet/lifecycle.ts';
import type { LeaseRequest } from '../../../src/fleet/pool.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function retriesContract(given: Given): void {
  succeedingContract(given);
  limitContract(given);
  otherEndsContract(given);
}

const CLOCKS = { waitTimeoutMs: 60_000, heartbeatTimeoutMs: 20_000, maxDurationMs: 600_000 } as const;

/** Takes a machine from whoever holds it. */
async function take(on: Driver, machine: string, outcome: LeaseOutcome = 'lost'): Promise<void> {
  const act = { ...on.act(machine), kind: 'retire', reason: 'its instance is gone', outcome } as const;
  expect(await on.store.openIntent(act)).toMatchObject({ granted: true });
}

/** The lease that takes the place of one whose machine has been taken. */
async function successorOf(on: Driver, lease: string): Promise<string> {
  const { retriedBy = null } = (await on.store.readLease(lease)) ?? {};
  if (retriedBy === null) throw new Error(`nothing takes the place of ${lease}`);
  return retriedBy;
}

async function lost(on: Driver, given: Partial<LeaseRequest>): Promise<{ machine: string; lease: string }> {
  const held = await on.leased(given);
  await take(on, held.machine);
  return held;
}

function succeedingContract(given: Given): void {
  it('a lost lease is succeeded at once by a pending one of the same request', async () => {
    const on = given();
    const { machine, lease } = await on.leased({
      ...{ ...CLOCKS, maxRetries: 2, priority: 7, owner: on.grace, idempotencyKey: on.newId() },
    });
    on.pass(5000);
    await take(on, machine);
    const retriedBy = await successorOf(on, lease);
    expect(await on.store.readLease(lease)).toMatchObject({
      ...{ state: 'ending', outcome: 'lost', machine, retries: 0, retryOf: null, retriedBy },
    });
    const { waitTimeoutMs, ...clocks } = CLOCKS;
    expect(await on.store.readLease(retriedBy)).toMatchObject({
      ...{ id: retriedBy, owner: on.grace, state: 'pending', outcome: null, reason: null, pools: [on.name] },
      ...{ pool: null, machine: null, address: null, priority: 7, ...clocks, maxRetries: 2 },
      ...{ retries: 1, retryOf: lease, retriedBy: null, activeAt: null, endedAt: null },
      ...{ requestedAt: on.now(), deadlineAt: on.later(waitTimeoutMs) },
    });
  });

  it('the successor is given another machine, while the lost one is still on its way out', async () => {
    const on = given();
    const { machine, lease } = await lost(on, { maxRetries: 1 });
    expect((await on.store.viewPool(on.name))?.pending).toBe(1);
    expect(await on.match()).toEqual([]);
    const [another = ''] = await on.ready();
    const successor = await successorOf(on, lease);
    expect(await on.match()).toMatchObject([{ id: successor, state: 'active', machine: another }]);
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', machine, retriedBy: successor });
  });

  it('the lost lease ends as lost, whatever has become of its successor', async () => {
    const on = given();
    const { machine, lease } = await lost(on, { maxRetries: 1 });
    const successor = await successorOf(on, lease);
    await on.end(successor, 'cancelled');
    await on.done('stop', [await on.claimed(machine, 'stop')]);
    await on.store.release(on.act(machine));
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'lost', retriedBy: successor });
    expect(await on.store.readLease(successor)).toMatchObject({ state: 'cancelled' });
  });

  it('a request sent again under its key is answered with the lost lease, which names what takes its place', async () => {
    const on = given();
    const idempotencyKey = on.newId();
    const { lease } = await lost(on, { maxRetries: 1, idempotencyKey });
    const request = { owner: on.ada, selector: {}, priority: 0, ...CLOCKS, maxRetries: 1, idempotencyKey };
    const act = { id: on.newId(), request, pools: [on.name], now: on.now(), digest: 'digest' };
    expect(await on.store.requestLease(act)).toMatchObject({
      ...{ created: false, lease: { id: lease, retriedBy: await successorOf(on, lease) } },
    });
  });

  it('a successor that finds no machine in its own waiting time fails like any request', async () => {
    const on = given();
    const { lease } = await lost(on, { ...CLOCKS, maxRetries: 1 });
    const successor = await successorOf(on, lease);
    on.pass(CLOCKS.waitTimeoutMs);
    await on.store.expireLeases({ now: on.now(), by: 'reconcile', limit: 1000 });
    expect(await on.store.readLease(successor)).toMatchObject({ state: 'failed', reason: 'no-capacity' });
  });
}

function limitContract(given: Given): void {
  it('retries are counted from lease to lease, and the last one ends as lost for good', async () => {
    const on = given();
    let { machine, lease } = await on.leased({ maxRetries: 2 });
    for (const retries of [1, 2]) {
      await take(on, machine);
      const [another = ''] = await on.ready();
      const successor = await successorOf(on, lease);
      expect(await on.match()).toMatchObject([{ id: successor, retries, retryOf: lease }]);
      [machine, lease] = [another, successor];
    }
    await take(on, machine);
    expect(await on.store.readLease(lease)).toMatchObject({ outcome: 'lost', retries: 2, retriedBy: null });
    expect((await on.store.viewPool(on.name))?.pending).toBe(0);
  });

  it('a lease that asked for no retries ends as lost', async () => {
    const on = given();
    const { lease } = await lost(on, {});
    expect(await on.store.readLease(lease)).toMatchObject({
      outcome: 'lost',
      maxRetries: 0,
      retriedBy: null,
    });
    expect((await on.store.viewPool(on.name))?.pending).toBe(0);
  });

  it('a lease is lost once: a harsher intent for its machine makes no second successor', async () => {
    const on = given();
    const { machine, lease } = await on.leased({ maxRetries: 3 });
    const quarantine = { ...on.act(machine), kind: 'quarantine', reason: 'odd', outcome: 'lost' } as const;
    await on.store.openIntent(quarantine);
    const successor = await successorOf(on, lease);
    await take(on, machine);
    expect(await successorOf(on, lease)).toBe(successor);
    expect((await on.store.viewPool(on.name))?.pending).toBe(1);
  });
}

function otherEndsContract(given: Given): void {
  it('a lease that ends in any other way is not retried', async () => {
    const on = given();
    const taken = await on.leased({ maxRetries: 3 });
    await take(on, taken.machine, 'cancelled');
    const completed = await on.leased({ maxRetries: 3 });
    await on.end(completed.lease);
    const expired = await on.leased({ ...CLOCKS, maxRetries: 3 });
    on.pass(CLOCKS.heartbeatTimeoutMs);
    await on.store.expireLeases({ now: on.now(), by: 'reconcile', limit: 1000 });
    for (const { lease } of [taken, completed, expired]) {
      expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', retriedBy: null });
    }
    expect((await on.store.viewPool(on.name))?.pending).toBe(0);
  });

  it('a lease that was ending when its machine vanished keeps its outcome and is not retried', async () => {
    const on = given();
    const { machine, lease } = await on.leased({ maxRetries: 3 });
    await on.end(lease);
    await take(on, machine);
    expect(await on.store.readLease(lease)).toMatchObject({ outcome: 'completed', retriedBy: null });
    expect((await on.store.viewPool(on.name))?.pending).toBe(0);
  });
}
