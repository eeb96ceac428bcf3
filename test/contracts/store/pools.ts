import { expect, it } from 'vitest';
import { type Driver, DEADLINES } from './driver.ts';

type Given = () => Driver;

export function poolsContract(given: Given): void {
  applyContract(given);
  provisionContract(given);
}

function applyContract(given: Given): void {
  it('a pool that was applied is read back as it is, among the others by name', async () => {
    const on = given();
    const applied = await on.apply({ tags: ['office'], maxUses: 3 });
    expect(await on.store.pool(on.name)).toMatchObject(applied);
    const names = (await on.store.pools()).map((pool) => pool.name);
    expect(names).toContain(on.name);
    expect(names).toEqual(names.toSorted());
    expect(await on.store.pool('unknown')).toBeUndefined();
    expect(await on.store.viewPool('unknown')).toBeUndefined();
  });

  it("a pool of the file's drains once the file does not name it; the API's stays", async () => {
    const on = given();
    const mine = await on.apply({ owner: 'file' });
    const kept = { ...mine, name: `${on.name}-kept`, owner: 'file' } as const;
    const api = { ...mine, name: `${on.name}-api`, owner: 'api' } as const;
    await on.store.applyPools({ pools: [mine, kept, api], now: on.now() });
    await on.store.applyPools({ pools: [kept], now: on.now() });
    expect(await on.store.pool(on.name)).toMatchObject({ draining: true });
    expect(await on.store.pool(kept.name)).toMatchObject({ draining: false });
    expect(await on.store.pool(api.name)).toMatchObject({ draining: false });
    await on.store.applyPools({ pools: [mine, kept], now: on.now() });
    expect(await on.store.pool(on.name)).toMatchObject({ draining: false });
  });

  it('a placement that is named no longer is kept for its machines', async () => {
    const on = given();
    await on.apply();
    const there = { ...on.placement, name: 'there' };
    await on.apply({ placements: [there] });
    expect(await on.store.pool(on.name)).toMatchObject({
      placements: [there],
      retiredPlacements: [on.placement],
    });
    await on.apply({ placements: [on.placement, there] });
    expect(await on.store.pool(on.name)).toMatchObject({ retiredPlacements: [] });
  });

  it('a view counts living machines and those on their way, and names who rests, the longest first', async () => {
    const on = given();
    const [older = ''] = await on.ready();
    on.pass(10);
    const [younger = ''] = await on.ready();
    await on.booting();
    const [retired = ''] = await on.ready();
    await on.intend(retired, 'retire');
    await on.request();
    const view = await on.store.viewPool(on.name);
    expect(view).toMatchObject({ pending: 1, unowned: 0, coolUntil: {}, machines: 4, coming: 1 });
    const { token, stateSince } = await on.seen(older);
    expect(view?.resting[0]).toEqual({ id: older, state: 'ready', token, stateSince });
    expect(view?.resting.map((machine) => machine.id)).toEqual([older, younger]);
  });

  it('a machine counts as on its way in exactly the states and intents that lead to ready', async () => {
    const on = given();
    const states = ['ending', 'stopping', 'stopped', 'released', 'resetting'] as const;
    for (const [before, state] of states.entries()) {
      await on.after(state);
      expect([state, (await on.store.viewPool(on.name))?.coming]).toEqual([state, before + 1]);
    }
  });
}

function provisionContract(given: Given): void {
  it('wishes are machines with an open provision that they owe', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    expect(await on.seen(machine)).toMatchObject({
      ...{ pool: on.name, placement: 'here', state: 'requested', intentKind: 'provision', owed: 'provision' },
      ...{ token: 0, uses: 0, clean: false, lease: null, instance: null, batch: null, claimedUntil: null },
      deadlineAt: on.later(DEADLINES.requested),
    });
  });

  it('a pool never grows beyond its max, deleted machines not counted', async () => {
    const on = given();
    await on.apply({ max: 3 });
    const wishes = await on.wished(2);
    expect(await on.wished(5)).toHaveLength(1);
    expect(await on.wished(1)).toEqual([]);
    await on.intend(wishes[0] ?? '', 'retire');
    expect(await on.wished(5)).toHaveLength(1);
  });

  it('a plan made before somebody else has grown the pool adds nothing', async () => {
    const on = given();
    const pool = await on.apply();
    const view = await on.store.viewPool(on.name);
    const wish = {
      pool,
      placement: 'here',
      count: 1,
      version: view?.version ?? 0,
      reason: '',
      now: on.now(),
      by: '',
    };
    expect(await on.store.provision(wish)).toHaveLength(1);
    expect(await on.store.provision(wish)).toEqual([]);
    expect((await on.store.viewPool(on.name))?.version).toBeGreaterThan(wish.version);
  });

  it('a pool that drains does not grow', async () => {
    const on = given();
    await on.apply({ draining: true });
    expect(await on.wished(1)).toEqual([]);
  });
}
