import { expect, it } from 'vitest';
import type { InventoryItem } from '../../../src/fleet/provider.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

const GRACE_MS = 30_000;

export function sweepContract(given: Given): void {
  strayContract(given);
  missingContract(given);
  interruptedContract(given);
}

function listed(instance: string, change: Partial<InventoryItem> = {}): InventoryItem {
  return { instance, state: 'running', address: '10.0.0.7', batch: null, ...change };
}

/** One sweep of this test's placement by a listing that has just been made. */
async function swept(on: Driver, items: readonly InventoryItem[], listedAt = on.now()) {
  const { sighted, condemned, lost } = await on.swept(items, { listedAt, graceMs: GRACE_MS });
  return { sighted, condemned, lost };
}

function strayContract(given: Given): void {
  it('an unknown instance is condemned at its second sighting, a grace period later', async () => {
    const on = given();
    await on.apply();
    const stray = `i-${on.newId()}`;
    expect(await swept(on, [listed(stray)])).toEqual({ sighted: 1, condemned: [], lost: [] });
    expect((await on.store.viewPool(on.name))?.unowned).toBe(1);
    on.pass(GRACE_MS - 1);
    expect(await swept(on, [listed(stray)])).toEqual({ sighted: 0, condemned: [], lost: [] });
    on.pass(1);
    expect(await swept(on, [listed(stray)])).toEqual({ sighted: 0, condemned: [stray], lost: [] });
    const view = await on.store.viewPool(on.name);
    expect(view?.unowned).toBe(0);
    expect(await on.living()).toMatchObject([{ instance: stray, state: 'provisioning', owed: 'delete' }]);
    expect(await swept(on, [listed(stray)])).toEqual({ sighted: 0, condemned: [], lost: [] });
  });

  it('what is ending already is nobody to condemn', async () => {
    const on = given();
    await on.apply();
    const items = [
      listed(`i-${on.newId()}`, { state: 'gone' }),
      listed(`i-${on.newId()}`, { state: 'deleting' }),
    ];
    expect(await swept(on, items)).toMatchObject({ sighted: 0 });
    on.pass(GRACE_MS);
    expect(await swept(on, items)).toMatchObject({ condemned: [] });
  });

  it.each(['its tag names', 'no tag tells of'])(
    'an instance is left to the launch that %s while that goes on',
    async (tag) => {
      const on = given();
      const [id = ''] = await on.wished();
      const batch = await on.closed('launch', [await on.claimed(id, 'provision')]);
      const stray = `i-${on.newId()}`;
      const item = listed(stray, { batch: tag === 'its tag names' ? batch.id : null });
      expect(await swept(on, [item])).toEqual({ sighted: 0, condemned: [], lost: [] });
      on.pass(GRACE_MS);
      expect(await swept(on, [item])).toEqual({ sighted: 0, condemned: [], lost: [] });
      expect((await on.store.viewPool(on.name))?.unowned).toBe(0);
      await on.record(batch, { launched: [{ instance: stray, state: 'running', address: '10.0.0.7' }] });
      expect(await on.seen(id)).toMatchObject({ instance: stray, state: 'booting' });
    },
  );

  it('a stray without a tag is condemned once no launch goes on at its placement', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const stray = `i-${on.newId()}`;
    await swept(on, [listed(stray)]);
    const batch = await on.closed('launch', [await on.claimed(id, 'provision')]);
    on.pass(GRACE_MS);
    expect(await swept(on, [listed(stray)])).toMatchObject({ condemned: [] });
    await on.record(batch, { settled: true });
    expect(await swept(on, [listed(stray)])).toMatchObject({ condemned: [stray] });
  });

  it("a machine's own instance is no stray", async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    await swept(on, [listed(instance ?? '')]);
    on.pass(GRACE_MS);
    expect(await swept(on, [listed(instance ?? '')])).toEqual({ sighted: 0, condemned: [], lost: [] });
  });

  it("another placement's instances are not this one's to judge", async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const placement = { ...on.placement, name: 'elsewhere' };
    for (let round = 0; round < 3; round += 1) {
      on.pass(GRACE_MS);
      const swept = await on.swept([], { placement, graceMs: GRACE_MS });
      expect(swept).toMatchObject({ sighted: 0, condemned: [], lost: [] });
    }
    expect(await on.states(machine)).toEqual(['ready']);
  });
}

function missingContract(given: Given): void {
  it('a machine is lost when whole listings have missed its instance twice', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    on.pass(1);
    expect(await swept(on, [])).toMatchObject({ lost: [] });
    on.pass(GRACE_MS - 1);
    expect(await swept(on, [])).toMatchObject({ lost: [] });
    on.pass(1);
    expect(await swept(on, [])).toMatchObject({ lost: [machine] });
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', outcome: 'lost' });
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intentKind: 'retire', owed: 'stop' });
  });

  it('an instance that is listed again was never missing', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    on.pass(1);
    await swept(on, []);
    on.pass(GRACE_MS);
    await swept(on, [listed(instance ?? '')]);
    expect(await swept(on, [])).toMatchObject({ lost: [] });
    on.pass(GRACE_MS - 1);
    expect(await swept(on, [])).toMatchObject({ lost: [] });
  });

  it('an instance that the cloud names as gone is gone at once', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    await swept(on, [listed(instance ?? '')]);
    on.pass(1);
    expect(await swept(on, [listed(instance ?? '', { state: 'gone' })])).toMatchObject({ lost: [machine] });
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'retire', owed: 'delete' });
  });

  it('an instance younger than the listing is left alone', async () => {
    const on = given();
    const listedAt = on.now();
    on.pass(1000);
    const [machine = ''] = await on.ready();
    on.pass(GRACE_MS);
    await swept(on, [], listedAt);
    on.pass(GRACE_MS);
    expect(await swept(on, [], listedAt)).toMatchObject({ lost: [] });
    expect(await on.states(machine)).toEqual(['ready']);
  });

  it('a listing that took long to arrive says no more than it did when it began', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    on.pass(1);
    const listedAt = on.now();
    on.pass(5000);
    await swept(on, []);
    on.pass(GRACE_MS);
    expect(await swept(on, [], listedAt)).toMatchObject({ lost: [] });
    expect(await on.states(machine)).toEqual(['ready']);
    expect(await swept(on, [])).toMatchObject({ lost: [machine] });
  });

  it('a machine that is being deleted anyway is not lost', async () => {
    const on = given();
    const { id } = await on.deleting();
    on.pass(1);
    await swept(on, []);
    on.pass(GRACE_MS);
    expect(await swept(on, [])).toMatchObject({ lost: [] });
    expect(await on.states(id)).toEqual(['deleting']);
  });
}

function interruptedContract(given: Given): void {
  it.each([
    ['the cloud is deleting', { state: 'deleting' }],
    ['the cloud has announced to take away', { interrupted: true }],
  ] as const)('a lease whose instance %s is lost at the first sighting', async (_what, change) => {
    const on = given();
    const { machine, lease } = await on.leased();
    const { instance } = await on.seen(machine);
    expect(await swept(on, [listed(instance ?? '', change)])).toMatchObject({ lost: [machine] });
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intentKind: 'retire', owed: 'stop' });
    expect(await on.store.readLease(lease)).toMatchObject({
      ...{ state: 'ending', outcome: 'lost', reason: 'the cloud takes its instance away' },
    });
    expect(await swept(on, [listed(instance ?? '', change)])).toMatchObject({ lost: [] });
  });

  it('what the fleet itself has deleted is not taken away by the cloud', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { instance } = await on.seen(machine);
    await on.intend(machine, 'retire');
    await on.claimed(machine, 'delete');
    expect(await swept(on, [listed(instance ?? '', { state: 'deleting' })])).toMatchObject({ lost: [] });
  });

  it('no brake holds what the cloud itself takes away', async () => {
    const on = given();
    const machines = await on.ready(7);
    const seen = await Promise.all(machines.map((machine) => on.seen(machine)));
    const items = seen.map(({ instance }) => listed(instance ?? '', { interrupted: true }));
    expect((await swept(on, items)).lost.toSorted()).toEqual(machines.toSorted());
  });
}
