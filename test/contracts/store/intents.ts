import { expect, it } from 'vitest';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function intentsContract(given: Given): void {
  openingContract(given);
  escalationContract(given);
  requestedContract(given);
}

function openingContract(given: Given): void {
  it('a retire of a leased machine ends its lease in the same act', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    const reason = 'gone';
    const act = { ...on.act(machine), kind: 'retire', reason, outcome: 'lost' } as const;
    expect(await on.store.openIntent(act)).toMatchObject({
      granted: true,
      machine: { state: 'leased', intentKind: 'retire', owed: 'stop', deadlineAt: on.later(60_000), lease },
    });
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', outcome: 'lost', reason });
  });

  it('a machine with an open intent is not leased, although it is ready', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    await on.intend(machine, 'retire');
    const lease = await on.request();
    expect(await on.match()).toEqual([]);
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'pending' });
    expect(await on.seen(machine)).toMatchObject({ state: 'ready', owed: 'delete' });
  });

  it('an intent opens only in states that it makes sense in', async () => {
    const on = given();
    const [booting = ''] = await on.booting();
    for (const kind of ['park', 'recycle', 'quarantine', 'provision'] as const) {
      expect((await on.intend(booting, kind)).granted).toBe(false);
    }
    const [ready = ''] = await on.ready();
    expect((await on.intend(ready, 'recycle')).granted).toBe(false);
    expect((await on.intend(ready, 'provision')).granted).toBe(false);
    const quarantined = await on.aside('quarantine');
    expect((await on.intend(quarantined, 'park')).granted).toBe(false);
    expect((await on.intend(on.newId(), 'retire')).granted).toBe(false);
  });

  it('an intent for a machine that somebody else has claimed since it was seen is refused', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { token } = await on.seen(machine);
    await on.request();
    await on.match();
    const act = { ...on.act(machine), kind: 'retire', reason: 'idle', outcome: 'lost', token } as const;
    expect((await on.store.openIntent(act)).granted).toBe(false);
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intent: null });
  });

  it('a deleted machine takes no intent', async () => {
    const on = given();
    const machine = await on.deleting();
    await on.done('delete', [machine]);
    expect((await on.intend(machine.id, 'retire')).granted).toBe(false);
  });
}

function escalationContract(given: Given): void {
  it('a harsher intent replaces a milder one, under a new id and without raising the token', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const before = await on.seen(machine);
    expect(before.intentKind).toBe('recycle');
    let intent = before.intent;
    for (const kind of ['park', 'quarantine', 'retire'] as const) {
      const { machine: after } = await on.intend(machine, kind);
      expect(after).toMatchObject({ intentKind: kind, token: before.token, deadlineAt: before.deadlineAt });
      expect(after?.intent).not.toBe(intent);
      intent = after?.intent ?? null;
    }
  });

  it('a milder or equal intent changes nothing', async () => {
    const on = given();
    const { machine } = await on.after('stopped');
    await on.intend(machine, 'quarantine');
    const before = await on.seen(machine);
    for (const kind of ['recycle', 'park', 'quarantine', 'provision'] as const) {
      expect((await on.intend(machine, kind)).granted).toBe(false);
    }
    expect(await on.seen(machine)).toEqual(before);
  });

  it('an open provision becomes only a retire', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    expect((await on.intend(machine, 'quarantine')).granted).toBe(false);
    expect(await on.intend(machine, 'retire')).toMatchObject({ machine: { owed: 'delete' } });
  });

  it('a release follows the intent as it is then', async () => {
    const on = given();
    const { machine } = await on.after('stopped');
    await on.intend(machine, 'retire');
    await on.store.release(on.act(machine));
    expect(await on.seen(machine)).toMatchObject({ state: 'released', owed: 'delete' });
    expect((await on.claim(machine, 'provision')).granted).toBe(false);
    expect(await on.claimed(machine, 'delete')).toMatchObject({ state: 'deleting', intentKind: 'retire' });
  });

  it('a quarantined machine is deleted once its intent has become a retire', async () => {
    const on = given();
    const machine = await on.aside('quarantine');
    expect((await on.claim(machine, 'delete')).granted).toBe(false);
    await on.intend(machine, 'retire');
    expect(await on.claimed(machine, 'delete')).toMatchObject({ state: 'deleting' });
  });
}

function requestedContract(given: Given): void {
  it('a wish is deleted at once by a retire while its batch is open', async () => {
    const on = given();
    const [kept = '', dropped = ''] = await on.wished(2);
    const lane = on.newId();
    const joined = await on.store.join(on.joinAct(await on.claimed(dropped, 'provision'), 'launch', lane));
    await on.store.join(on.joinAct(await on.claimed(kept, 'provision'), 'launch', lane));
    expect(await on.intend(dropped, 'retire')).toMatchObject({
      granted: true,
      machine: { state: 'deleted', batch: null, intent: null, deadlineAt: null },
    });
    expect(await on.store.lookBatch(joined.batch?.id ?? '')).toMatchObject({ pending: [kept] });
  });

  it('a wish that has not joined a batch yet is deleted at once, too', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    await on.intend(machine, 'retire');
    expect(await on.states(machine)).toEqual(['deleted']);
    expect((await on.claim(machine, 'provision')).granted).toBe(false);
  });

  it('a wish takes no other intent', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    expect((await on.intend(machine, 'quarantine')).granted).toBe(false);
    expect(await on.seen(machine)).toMatchObject({ state: 'requested', intentKind: 'provision' });
  });

  it('once its batch is closed a machine is retired, not forgotten: its launch may have been sent', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    const batch = await on.closed('launch', [await on.claimed(machine, 'provision')]);
    await on.intend(machine, 'retire');
    expect(await on.seen(machine)).toMatchObject({ state: 'provisioning', owed: 'delete', batch: batch.id });
    expect((await on.claim(machine, 'delete')).granted).toBe(false);
  });
}
