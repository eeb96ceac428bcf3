import { afterEach, describe, expect, it } from 'vitest';
import type { Driver } from './driver.ts';

type Given = () => Driver;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function machineHoursContract(given: Given): void {
  describe('machine-hours', () => {
    countContract(given);
    limitContract(given);
    noteContract(given);
  });
}

const hoursOf = async (on: Driver): Promise<number | undefined> =>
  (await on.store.machineHours({ now: on.now() })).pools[on.name]?.used;

/** Wishes for a machine as one that has looked at its pool at `now`. */
async function wish(on: Driver, { now = on.now(), version }: { now?: Date; version?: number } = {}) {
  const view = await on.store.viewPool(on.name);
  if (view === undefined) throw new Error(`there is no pool ${on.name}`);
  const act = { pool: view.pool, placement: 'here', count: 1, version: version ?? view.version };
  return (await on.store.provision({ ...act, reason: 'test', now, by: 'test' })).length;
}

/** The turns of this test's pool, and of the whole fleet. */
async function note(on: Driver, now = on.now()) {
  const turns = await on.store.noteMachineHours({ now, by: 'round' });
  return turns.filter(({ pool }) => pool === null || pool === on.name);
}

/** A limit of the whole fleet that is reached just now, whatever other tests have used. */
async function useUpFleet(on: Driver): Promise<void> {
  const { used } = await on.store.machineHours({ now: on.now() });
  await on.store.limitMachineHours({ maxPerDay: used });
}

async function remove(on: Driver, machine: string): Promise<void> {
  await on.intend(machine, 'retire');
  await on.done('delete', [await on.claimed(machine, 'delete')]);
}

function countContract(given: Given): void {
  it('count from the answer to a launch until the instance is gone, or until now', async () => {
    const on = given();
    await on.wished();
    const [first = ''] = await on.ready(2);
    expect(await hoursOf(on)).toBe(0);
    on.pass(HOUR_MS);
    await remove(on, first);
    on.pass(HOUR_MS / 2);
    expect(await hoursOf(on)).toBeCloseTo(2.5);
    const { used, pools } = await on.store.machineHours({ now: on.now() });
    const sum = Object.values(pools).reduce((total, pool) => total + pool.used, 0);
    expect(used).toBeCloseTo(sum);
  });

  it('count from midnight UTC on', async () => {
    const on = given();
    const [gone = ''] = await on.ready(3);
    on.pass(DAY_MS - 1);
    expect(await hoursOf(on)).toBeCloseTo(72);
    await remove(on, gone);
    on.pass(1);
    expect(await hoursOf(on)).toBe(0);
    on.pass(HOUR_MS);
    expect(await hoursOf(on)).toBeCloseTo(2);
  });

  it('count instances that nobody owns', async () => {
    const on = given();
    await on.apply();
    const stray = { instance: `i-${on.newId()}`, state: 'running', address: null, batch: null } as const;
    await on.swept([stray], { graceMs: 1000 });
    on.pass(HOUR_MS);
    expect(await hoursOf(on)).toBeCloseTo(1);
  });

  it('are not lowered by a purge before the day is over', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    on.pass(2 * HOUR_MS);
    await remove(on, machine);
    on.pass(HOUR_MS);
    await on.store.purge({ before: on.now(), now: on.now(), limit: 10_000 });
    expect(await hoursOf(on)).toBeCloseTo(2);
    on.pass(DAY_MS);
    await on.store.purge({ before: on.now(), now: on.now(), limit: 10_000 });
    expect(await on.store.look(machine)).toBeUndefined();
  });
}

function limitContract(given: Given): void {
  afterEach(() => liftFleet(given()));

  it('that reach the limit of their pool let it grow no more until the next day', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 2 });
    await on.ready(2);
    on.pass(HOUR_MS - 1000);
    expect(await wish(on)).toBe(1);
    on.pass(1000);
    const before = await on.store.viewPool(on.name);
    expect(await wish(on)).toBe(0);
    expect((await on.store.viewPool(on.name))?.version).toBe(before?.version);
    on.pass(DAY_MS - HOUR_MS);
    expect(await wish(on)).toBe(1);
  });

  it('that reach the limit of the fleet let no pool grow', async () => {
    const on = given();
    await on.ready(2);
    on.pass(HOUR_MS);
    expect(await wish(on)).toBe(1);
    await useUpFleet(on);
    expect(await wish(on)).toBe(0);
    await on.store.limitMachineHours({ maxPerDay: 1e9 });
    expect(await wish(on)).toBe(1);
  });

  it('leave alone what is there: its leases, its next leases, its releases', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    const [machine = ''] = await on.ready();
    on.pass(2 * HOUR_MS);
    await note(on);
    const lease = await on.request();
    await on.match();
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'active', machine });
    await on.store.expireLeases({ now: on.now(), by: 'round', limit: 100 });
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'active' });
    await on.end(lease);
    await on.done('stop', [await on.claimed(machine, 'stop')]);
    expect(await on.store.release(on.act(machine))).toMatchObject({ granted: true });
    expect(await on.claim(machine, 'provision')).toMatchObject({ granted: true });
  });

  it('let no pool grow once they are noted, whatever the time of its last look', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    const early = on.now();
    on.pass(HOUR_MS);
    await note(on);
    expect(await wish(on, { now: early })).toBe(0);
    await on.apply({ maxMachineHoursPerDay: null });
    await useUpFleet(on);
    await note(on);
    expect(await wish(on, { now: early })).toBe(0);
  });

  it('that many reach for at once are no more than they were', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    const early = await on.store.viewPool(on.name);
    on.pass(HOUR_MS);
    const version = early?.version ?? 0;
    const [grown, turns] = await Promise.all([
      Promise.all(Array.from({ length: 5 }, () => wish(on, { version }))),
      Promise.all(Array.from({ length: 5 }, () => note(on))),
    ]);
    expect(grown).toEqual([0, 0, 0, 0, 0]);
    expect(turns.flat()).toMatchObject([{ pool: on.name, reached: true }]);
    expect(await on.living()).toHaveLength(1);
  });
}

/** It holds for the whole fleet, and so for every other test. */
async function liftFleet(on: Driver): Promise<void> {
  await on.store.limitMachineHours({ maxPerDay: null });
  await on.store.noteMachineHours({ now: on.now(), by: 'test' });
}

function noteContract(given: Given): void {
  it('that reach a limit are told once, and once when they do so no longer', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    expect(await note(on)).toEqual([]);
    on.pass(HOUR_MS);
    const since = on.now();
    const told = { pool: on.name, maxPerDay: 1 };
    expect(await note(on)).toEqual([{ ...told, reached: true, used: 1 }]);
    on.pass(1000);
    expect(await note(on)).toEqual([]);
    const { pools } = await on.store.machineHours({ now: on.now() });
    expect(pools[on.name]).toMatchObject({ maxPerDay: 1, reachedAt: since });
    expect(await on.store.viewPool(on.name)).toMatchObject({ hoursReached: true });
    on.pass(DAY_MS - HOUR_MS);
    expect(await note(on)).toMatchObject([{ ...told, reached: false }]);
    expect(await note(on)).toEqual([]);
    expect(await on.store.viewPool(on.name)).toMatchObject({ hoursReached: false });
  });

  it('are told of the whole fleet likewise, and hold all of its pools', async () => {
    const on = given();
    await on.ready();
    on.pass(HOUR_MS);
    await useUpFleet(on);
    expect(await note(on)).toMatchObject([{ pool: null, reached: true }]);
    expect(await note(on)).toEqual([]);
    expect(await on.store.machineHours({ now: on.now() })).toMatchObject({ reachedAt: on.now() });
    expect(await on.store.viewPool(on.name)).toMatchObject({ hoursReached: true });
    await on.store.limitMachineHours({ maxPerDay: null });
    expect(await note(on)).toMatchObject([{ pool: null, reached: false, maxPerDay: null }]);
    expect(await on.store.viewPool(on.name)).toMatchObject({ hoursReached: false });
  });

  it('of a pool whose limit was raised hold it no longer', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    on.pass(HOUR_MS);
    await note(on);
    await on.apply({ maxMachineHoursPerDay: 2 });
    expect(await note(on)).toMatchObject([{ pool: on.name, reached: false, maxPerDay: 2 }]);
    expect(await wish(on)).toBe(1);
  });

  it('that were counted too early take nothing back', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    const early = on.later(HOUR_MS - 1);
    on.pass(HOUR_MS);
    await note(on);
    expect(await note(on, early)).toEqual([]);
    expect(await on.store.viewPool(on.name)).toMatchObject({ hoursReached: true });
  });

  it('are why a request fails that waits for a machine too long', async () => {
    const on = given();
    await on.apply({ maxMachineHoursPerDay: 1 });
    await on.ready();
    await on.request();
    await on.match();
    on.pass(HOUR_MS);
    await note(on);
    const patient = await on.request({ waitTimeoutMs: 60_000 });
    await on.store.expireLeases({ now: on.later(59_999), by: 'round', limit: 100 });
    expect(await on.store.readLease(patient)).toMatchObject({ state: 'pending' });
    on.pass(60_000);
    await on.store.expireLeases({ now: on.now(), by: 'round', limit: 100 });
    expect(await on.store.readLease(patient)).toMatchObject({ state: 'failed', reason: 'max-machine-hours' });
  });

  it('are not why a request fails that a pool with hours left could have served', async () => {
    const on = given();
    const held = await on.apply({ maxMachineHoursPerDay: 1 });
    const free = { ...held, name: `${on.name}-free`, maxMachineHoursPerDay: null };
    await on.store.applyPools({ pools: [free], now: on.now() });
    await on.ready();
    on.pass(HOUR_MS);
    await note(on);
    await on.intend((await on.living())[0]?.id ?? '', 'retire');
    const reasons: unknown[] = [];
    for (const pools of [[on.name, free.name], [free.name], [on.name]]) {
      const id = await on.request({ waitTimeoutMs: 1000 }, pools);
      on.pass(1000);
      await on.store.expireLeases({ now: on.now(), by: 'round', limit: 100 });
      reasons.push((await on.store.readLease(id))?.reason);
    }
    expect(reasons).toEqual(['no-capacity', 'no-capacity', 'max-machine-hours']);
  });
}
