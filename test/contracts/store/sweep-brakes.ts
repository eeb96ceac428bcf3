import { expect, it } from 'vitest';
import type { InventoryItem } from '../../../src/fleet/provider.ts';
import { type Driver, STALE_MS } from './driver.ts';

type Given = () => Driver;

const GRACE_MS = 30_000;
const GRACE = { graceMs: GRACE_MS };

export function sweepBrakesContract(given: Given): void {
  firstSweepContract(given);
  haltContract(given);
  confirmContract(given);
}

function listed(instance: string, change: Partial<InventoryItem> = {}): InventoryItem {
  return { instance, state: 'running', address: '10.0.0.7', batch: null, ...change };
}

/** Strays that have been seen for a grace period. */
async function strays(on: Driver, count: number): Promise<InventoryItem[]> {
  const items = Array.from({ length: count }, () => listed(`i-${on.newId()}`));
  await on.swept(items, GRACE);
  on.pass(GRACE_MS);
  return items;
}

/** Ready machines that a sweep has seen, and what it was shown. */
async function seenReady(on: Driver, count: number) {
  const machines = await on.ready(count);
  const seen = await Promise.all(machines.map((machine) => on.seen(machine)));
  const items = seen.map(({ instance }) => listed(instance ?? ''));
  on.pass(1);
  await on.swept(items, GRACE);
  on.pass(1000);
  return { machines, items };
}

async function intents(on: Driver, machines: readonly string[]): Promise<(string | null)[]> {
  return Promise.all(machines.map(async (machine) => (await on.seen(machine)).intentKind));
}

async function halts(on: Driver) {
  return (await on.store.haltedSweeps()).filter((each) => each.pool === on.name);
}

function firstSweepContract(given: Given): void {
  it('the first sweep of a placement only reports', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    on.pass(1);
    const gone = [listed(instance ?? '', { state: 'gone' })];
    expect(await on.swept(gone, GRACE)).toMatchObject({ verdict: 'report', counts: { ends: 1 }, lost: [] });
    expect(await intents(on, [machine])).toEqual([null]);
    expect(await on.swept(gone, GRACE)).toMatchObject({ verdict: 'go', lost: [machine] });
  });

  it('a listing that was made before another one was looked at ends nothing, either', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    const gone = [listed(instance ?? '', { state: 'gone' })];
    on.pass(1);
    const early = on.now();
    on.pass(1000);
    expect(await on.swept(gone, GRACE)).toMatchObject({ verdict: 'report' });
    expect(await on.swept(gone, { ...GRACE, listedAt: early })).toMatchObject({
      verdict: 'report',
      lost: [],
    });
    expect(await on.swept(gone, GRACE)).toMatchObject({ verdict: 'go', lost: [machine] });
  });

  it('so does the first one after a long while without any, as after an old database was restored', async () => {
    const on = given();
    await on.apply();
    const [stray] = await strays(on, 1);
    on.pass(STALE_MS);
    const items = stray === undefined ? [] : [stray];
    expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'report', condemned: [] });
    expect(await on.living()).toEqual([]);
    expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'go', condemned: [stray?.instance] });
  });
}

function haltContract(given: Given): void {
  it('a sweep that would condemn too many strays condemns none, however often it is repeated', async () => {
    const on = given();
    await on.apply();
    const items = await strays(on, 6);
    for (let sweep = 0; sweep < 3; sweep += 1) {
      expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'halt', condemned: [] });
      on.pass(GRACE_MS);
    }
    expect(await on.living()).toEqual([]);
    const [halt] = await halts(on);
    expect(halt).toMatchObject({ placement: 'here', counts: { machines: 0, condemns: 6 } });
  });

  it('five strays are condemned in the smallest of pools', async () => {
    const on = given();
    await on.apply();
    expect((await on.swept(await strays(on, 5), GRACE)).condemned).toHaveLength(5);
  });

  it('a sweep whose listing has shrunk by too much halts at once, and ends nothing later either', async () => {
    const on = given();
    const { machines } = await seenReady(on, 7);
    expect(await on.swept([], GRACE)).toMatchObject({ verdict: 'halt', counts: { ends: 0, vanished: 7 } });
    on.pass(GRACE_MS);
    const later = await on.swept([], GRACE);
    expect(later).toMatchObject({ verdict: 'halt', counts: { ends: 7, vanished: 7 }, lost: [] });
    expect(await intents(on, machines)).toEqual(machines.map(() => null));
  });

  it('a sweep is told of machines that are gone, and halts where they are too many', async () => {
    const on = given();
    const { machines, items } = await seenReady(on, 7);
    const gone = items.map((item) => ({ ...item, state: 'gone' }) as const);
    expect(await on.swept(gone, GRACE)).toMatchObject({ verdict: 'halt', lost: [] });
    expect(await intents(on, machines)).toEqual(machines.map(() => null));
  });

  it('a stray waits, too, while a listing at its placement has shrunk by too much', async () => {
    const on = given();
    await seenReady(on, 7);
    const items = await strays(on, 1);
    expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'halt', condemned: [] });
  });

  it('a halt is over with the first listing that is whole again', async () => {
    const on = given();
    const { items } = await seenReady(on, 7);
    await on.swept([], GRACE);
    on.pass(GRACE_MS);
    expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'go', counts: { vanished: 0 } });
    expect(await halts(on)).toEqual([]);
  });

  it('machines that the fleet itself has deleted have not vanished', async () => {
    const on = given();
    const { machines } = await seenReady(on, 7);
    for (const machine of machines) await on.intend(machine, 'retire');
    for (const machine of machines) await on.claimed(machine, 'delete');
    expect(await on.swept([], GRACE)).toMatchObject({ verdict: 'go', counts: { vanished: 0 } });
  });

  it('instances that no sweep has listed yet have not vanished', async () => {
    const on = given();
    await seenReady(on, 1).then(({ items }) => on.swept(items, GRACE));
    on.pass(1);
    await on.ready(7);
    on.pass(1);
    expect(await on.swept([], GRACE)).toMatchObject({ verdict: 'go', counts: { vanished: 1 } });
  });
}

function confirmContract(given: Given): void {
  const confirm = async (on: Driver, count: number): Promise<boolean> =>
    on.store.confirmSweep({ pool: on.name, placement: 'here', count, by: 'ada', now: on.now() });

  it('a halted sweep goes on once an operator has confirmed as many as it has found', async () => {
    const on = given();
    await on.apply();
    const items = await strays(on, 6);
    await on.swept(items, GRACE);
    expect(await confirm(on, 5)).toBe(false);
    expect(await on.swept(items, GRACE)).toMatchObject({ verdict: 'halt' });
    expect(await confirm(on, 6)).toBe(true);
    expect((await on.swept(items, GRACE)).condemned).toHaveLength(6);
    expect(await halts(on)).toEqual([]);
  });

  it('machines that vanished are ended after they were confirmed, their leases lost', async () => {
    const on = given();
    const { machines } = await seenReady(on, 7);
    const lease = await on.request();
    await on.match();
    await on.swept([], GRACE);
    expect(await confirm(on, 7)).toBe(true);
    on.pass(GRACE_MS);
    expect((await on.swept([], GRACE)).lost.toSorted()).toEqual(machines.toSorted());
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', outcome: 'lost' });
  });

  it('where no sweep is halted there is nothing to confirm', async () => {
    const on = given();
    await on.apply();
    expect(await confirm(on, 100)).toBe(false);
    await on.swept([], GRACE);
    expect(await confirm(on, 100)).toBe(false);
  });
}
