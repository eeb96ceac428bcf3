import { expect, it } from 'vitest';
import type { LeftOver } from '../../../src/fleet/provider.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

const GRACE_MS = 30_000;

export function leftOversContract(given: Given): void {
  sightingContract(given);
  pauseContract(given);
  brakesContract(given);
}

function disks(on: Driver, count = 1): LeftOver[] {
  return Array.from({ length: count }, () => ({ kind: 'disk', id: `vol-${on.newId()}` }));
}

async function swept(on: Driver, leftOvers: readonly LeftOver[], listedAt = on.now()) {
  return on.swept([], { leftOvers, listedAt, graceMs: GRACE_MS });
}

/** Left-overs that the next sweep would condemn. */
async function settled(on: Driver, count = 1): Promise<LeftOver[]> {
  await on.apply();
  const leftOvers = disks(on, count);
  await swept(on, leftOvers);
  on.pass(GRACE_MS);
  return leftOvers;
}

async function condemned(on: Driver) {
  return (await on.store.leftOvers()).filter((each) => each.pool === on.name);
}

function sightingContract(given: Given): void {
  it('a left-over is condemned at its second sighting, a grace period later, and answered', async () => {
    const on = given();
    await on.apply();
    const [disk] = disks(on);
    const card: LeftOver = { kind: 'network-card', id: `eni-${on.newId()}` };
    const both = [card, disk].flatMap((each) => each ?? []);
    expect((await swept(on, both)).leftOvers).toEqual([]);
    on.pass(GRACE_MS - 1);
    expect((await swept(on, both)).leftOvers).toEqual([]);
    expect(await condemned(on)).toEqual([]);
    on.pass(1);
    expect((await swept(on, both)).leftOvers).toEqual(both);
    const since = on.now();
    expect(await condemned(on)).toMatchObject(
      both.map((each) => ({ ...each, placement: 'here', since, tries: 1, failure: null })),
    );
  });

  it('the grace period ends with a listing that began after it, however late it arrives', async () => {
    const on = given();
    await on.apply();
    const leftOvers = disks(on);
    await swept(on, leftOvers);
    const early = on.later(GRACE_MS - 1);
    on.pass(GRACE_MS);
    expect((await swept(on, leftOvers, early)).leftOvers).toEqual([]);
  });

  it('one that a listing no longer has is forgotten, and starts anew where it comes back', async () => {
    const on = given();
    const leftOvers = await settled(on);
    await swept(on, []);
    expect((await swept(on, leftOvers)).leftOvers).toEqual([]);
    on.pass(GRACE_MS);
    expect((await swept(on, leftOvers)).leftOvers).toEqual(leftOvers);
    await swept(on, []);
    expect(await condemned(on)).toEqual([]);
  });

  it('those of one placement are none of another one’s', async () => {
    const on = given();
    const leftOvers = await settled(on);
    const elsewhere = { ...on.placement, name: 'there' };
    await on.swept([], { placement: elsewhere, leftOvers: [], graceMs: GRACE_MS });
    expect((await swept(on, leftOvers)).leftOvers).toEqual(leftOvers);
  });
}

function pauseContract(given: Given): void {
  it('while it is listed it is answered again, after pauses that double up to an hour', async () => {
    const on = given();
    const leftOvers = await settled(on);
    expect((await swept(on, leftOvers)).leftOvers).toEqual(leftOvers);
    for (const seconds of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
      on.pass(seconds * 1000 - 1);
      expect((await swept(on, leftOvers)).leftOvers).toEqual([]);
      on.pass(1);
      expect((await swept(on, leftOvers)).leftOvers).toEqual(leftOvers);
    }
  });

  it('one that was refused waits alone, and says why', async () => {
    const on = given();
    const [first, second] = await settled(on, 2);
    const both = [first, second].flatMap((each) => each ?? []);
    await swept(on, both);
    const { placement } = on;
    await on.store.leftOverRefused({ placement, id: first?.id ?? '', why: 'VolumeInUse' });
    const told = await condemned(on);
    expect(told.find((each) => each.id === first?.id)?.failure).toBe('VolumeInUse');
    expect(told.find((each) => each.id === second?.id)?.failure).toBeNull();
    await swept(on, []);
    await on.store.leftOverRefused({ placement, id: first?.id ?? '', why: 'too late' });
    expect(await condemned(on)).toEqual([]);
  });
}

function brakesContract(given: Given): void {
  it('too many of them halt the sweep, which then answers none, until an operator confirms', async () => {
    const on = given();
    const leftOvers = await settled(on, 6);
    const halt = { verdict: 'halt', counts: { leftOvers: 6 }, leftOvers: [] };
    expect(await swept(on, leftOvers)).toMatchObject(halt);
    expect(await condemned(on)).toEqual([]);
    const confirm = { pool: on.name, placement: 'here', by: 'ada', now: on.now() };
    expect(await on.store.confirmSweep({ ...confirm, count: 5 })).toBe(false);
    expect(await on.store.confirmSweep({ ...confirm, count: 6 })).toBe(true);
    expect((await swept(on, leftOvers)).leftOvers).toHaveLength(6);
  });

  it('those that are condemned already halt no sweep', async () => {
    const on = given();
    const some = await settled(on, 4);
    await swept(on, some);
    const more = [...some, ...disks(on, 4)];
    await swept(on, more);
    on.pass(GRACE_MS);
    expect(await swept(on, more)).toMatchObject({ verdict: 'go', counts: { leftOvers: 4 } });
    expect(await condemned(on)).toHaveLength(8);
  });
}
