import { expect, it } from 'vitest';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function stepsContract(given: Given): void {
  claimContract(given);
  finishContract(given);
  releaseContract(given);
  readyContract(given);
}

function claimContract(given: Given): void {
  it('a claim moves the machine on, raises its token and says until when and by whom it is claimed', async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const before = await on.seen(machine);
    const claimed = await on.claimed(machine, 'stop', 'stop.job.0');
    expect(claimed).toMatchObject({
      ...{ state: 'stopping', token: before.token + 1, claimedBy: 'stop.job.0', owed: 'stop' },
      ...{ claimedUntil: on.later(10_000), stateSince: on.now(), deadlineAt: on.later(200_000) },
    });
    expect(await on.seen(machine)).toMatchObject({ token: claimed.token, state: 'stopping' });
  });

  it('a claim needs an open intent: a ready or leased machine owes no step', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    for (const step of ['stop', 'delete', 'provision'] as const) {
      expect(await on.claim(machine, step)).toMatchObject({ granted: false, machine: { state: 'ready' } });
    }
    const held = await on.leased();
    expect((await on.claim(held.machine, 'delete')).granted).toBe(false);
    expect((await on.claim(held.machine, 'stop')).granted).toBe(false);
  });

  it('a claim of another step than the one owed is refused and changes nothing', async () => {
    const on = given();
    const { machine } = await on.after('stopped');
    const before = await on.seen(machine);
    for (const step of ['stop', 'delete', 'provision'] as const) {
      expect((await on.claim(machine, step)).granted).toBe(false);
    }
    expect(await on.seen(machine)).toEqual(before);
  });

  it('a held machine is never claimed for deletion, whatever its intent', async () => {
    const on = given();
    for (const state of ['ending', 'stopping', 'stopped'] as const) {
      const { machine } = await on.after(state);
      await on.intend(machine, 'retire');
      expect((await on.claim(machine, 'delete')).granted).toBe(false);
    }
  });

  it('a step being done is claimed again only after its claim has run out, with a higher token', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const { token } = await on.seen(machine);
    on.pass(9999);
    expect(await on.claim(machine, 'stop')).toMatchObject({ granted: false, machine: { token } });
    on.pass(1);
    const again = await on.claimed(machine, 'stop');
    expect(again).toMatchObject({ state: 'stopping', token: token + 1, deadlineAt: on.later(190_000) });
  });

  it('a machine in a batch is not claimed, however old its claim is', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    await on.store.join(on.joinAct(await on.seen(machine), 'stop', on.newId()));
    on.pass(3_600_000);
    expect((await on.claim(machine, 'stop')).granted).toBe(false);
  });

  it('a machine that boots is not claimed again for its provision: it waits for its probe', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    expect(await on.claim(machine, 'provision')).toMatchObject({
      granted: false,
      machine: { owed: 'provision' },
    });
  });

  it('a released machine that is recycled goes to be reset; a dirty parked one, too', async () => {
    const on = given();
    const { machine } = await on.after('released');
    expect(await on.claimed(machine, 'provision')).toMatchObject({ state: 'resetting', clean: false });
    const parked = await on.aside('park');
    await on.intend(parked, 'provision');
    expect(await on.claimed(parked, 'provision')).toMatchObject({ state: 'resetting', halted: true });
  });

  it('a clean parked machine is started without a reset, and halted until it was', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    await on.intend(machine, 'park');
    await on.done('stop', [await on.claimed(machine, 'stop')]);
    await on.store.release(on.act(machine));
    expect(await on.seen(machine)).toMatchObject({
      state: 'parked',
      clean: true,
      halted: true,
      intent: null,
    });
    await on.intend(machine, 'provision');
    const booting = await on.claimed(machine, 'provision');
    expect(booting).toMatchObject({ state: 'booting', halted: true });
    const early = await on.store.becomeReady({ ...on.act(machine), token: booting.token });
    expect(early.granted).toBe(false);
    await on.done('start', [booting]);
    expect(await on.seen(machine)).toMatchObject({
      state: 'booting',
      halted: false,
      deadlineAt: on.later(300_000),
    });
  });

  it('a machine that nobody has written down is refused as unknown', async () => {
    const on = given();
    expect(await on.claim(on.newId(), 'stop')).toEqual({ granted: false, machine: undefined });
    expect(await on.store.look(on.newId())).toBeUndefined();
  });
}

function finishContract(given: Given): void {
  it('a finished stop leaves the machine stopped and owing its release', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const { token } = await on.seen(machine);
    const answer = await on.store.finish({ ...on.act(machine), step: 'stop', token });
    expect(answer).toMatchObject({ granted: true, machine: { state: 'stopped', owed: 'release' } });
    expect(await on.seen(machine)).toMatchObject({
      claimedUntil: null,
      claimedBy: null,
      deadlineAt: on.later(60_000),
    });
  });

  it('a stop that asks nobody for anything is claimed and ended in one write', async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const { token } = await on.seen(machine);
    const answer = await on.store.finish({ ...on.act(machine), step: 'stop', token: null });
    expect(answer).toMatchObject({ granted: true, machine: { state: 'stopped', owed: 'release' } });
    expect(await on.seen(machine)).toMatchObject({
      ...{ token: token + 1, claimedUntil: null, claimedBy: null, deadlineAt: on.later(60_000) },
    });
    expect((await on.store.finish({ ...on.act(machine), step: 'stop', token: null })).granted).toBe(false);
  });

  it('such a stop has the guards of a claim', async () => {
    const on = given();
    const [ready = ''] = await on.ready();
    const pass = (machine: string, step: 'stop' | 'delete' = 'stop') =>
      on.store.finish({ ...on.act(machine), step, token: null });
    expect((await pass(ready)).granted).toBe(false);
    await on.intend(ready, 'quarantine');
    expect((await pass(ready)).granted).toBe(false);
    const held = await on.leased();
    expect((await pass(held.machine)).granted).toBe(false);
    const { machine } = await on.after('stopping');
    expect((await pass(machine)).granted).toBe(false);
    on.pass(10_000);
    expect((await pass(machine)).granted).toBe(true);
    const released = await on.after('released');
    await on.intend(released.machine, 'retire');
    expect((await pass(released.machine, 'delete')).granted).toBe(false);
  });

  it('neither a machine in a batch nor one that is to be parked is stopped like that', async () => {
    const on = given();
    const batched = await on.after('stopping');
    await on.closed('stop', [await on.seen(batched.machine)]);
    on.pass(3_600_000);
    expect((await on.store.finish({ ...on.act(batched.machine), step: 'stop', token: null })).granted).toBe(
      false,
    );
    const { machine } = await on.after('ending');
    await on.intend(machine, 'park');
    expect((await on.store.finish({ ...on.act(machine), step: 'stop', token: null })).granted).toBe(false);
  });

  it('a finish under an old token changes nothing', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const { token } = await on.seen(machine);
    on.pass(10_000);
    const taken = await on.claimed(machine, 'stop', 'other');
    expect((await on.store.finish({ ...on.act(machine), step: 'stop', token })).granted).toBe(false);
    expect(await on.seen(machine)).toEqual(taken);
  });

  it('a machine with an instance is not finished as deleted without its cloud', async () => {
    const on = given();
    const machine = await on.deleting();
    const act = { ...on.act(machine.id), step: 'delete', token: machine.token } as const;
    expect((await on.store.finish(act)).granted).toBe(false);
  });

  it('a machine without an instance is deleted by its finish, and its intent is closed', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const batch = await on.closed('launch', [await on.claimed(id, 'provision')]);
    on.pass(700_000);
    await on.recover(id);
    const early = await on.claimed(id, 'delete');
    const act = { ...on.act(id), step: 'delete', token: early.token } as const;
    // What its launch may yet make counts against the limit in its place.
    expect(await on.store.finish(act)).toMatchObject({ granted: false, machine: { state: 'deleting' } });
    await on.record(batch, { settled: true });
    on.pass(10_000);
    const claimed = await on.claimed(id, 'delete');
    const answer = await on.store.finish({ ...on.act(id), step: 'delete', token: claimed.token });
    expect(answer).toMatchObject({ granted: true, machine: { state: 'deleted', owed: null } });
    expect(await on.seen(id)).toMatchObject({ intent: null, deadlineAt: null });
  });

  it('a finish of a step that the machine is not doing is refused', async () => {
    const on = given();
    const { machine } = await on.after('released');
    const { token } = await on.seen(machine);
    expect((await on.store.finish({ ...on.act(machine), step: 'stop', token })).granted).toBe(false);
    expect((await on.store.finish({ ...on.act(machine), step: 'delete', token })).granted).toBe(false);
  });
}

function releaseContract(given: Given): void {
  it('a release ends the lease with the outcome it shows and frees the machine, in one act', async () => {
    const on = given();
    const { machine, lease } = await on.after('stopped');
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', outcome: 'completed', machine });
    expect(await on.store.release(on.act(machine))).toMatchObject({
      granted: true,
      machine: { state: 'released', owed: 'provision' },
    });
    expect(await on.seen(machine)).toMatchObject({ lease: null });
    expect(await on.store.readLease(lease)).toMatchObject({
      ...{ state: 'completed', endedAt: on.now(), deadlineAt: null, address: null },
    });
  });

  it('only a stopped machine is released', async () => {
    const on = given();
    for (const state of ['ending', 'stopping', 'released', 'resetting'] as const) {
      const { machine } = await on.after(state);
      const before = await on.seen(machine);
      expect((await on.store.release(on.act(machine))).granted).toBe(false);
      expect(await on.seen(machine)).toEqual(before);
    }
  });

  it('a release goes on to parked and closes the park', async () => {
    const on = given();
    const { machine } = await on.after('stopped');
    await on.intend(machine, 'park');
    const answer = await on.store.release(on.act(machine));
    expect(answer).toMatchObject({ granted: true, machine: { state: 'parked', owed: null } });
    const parked = { deadlineAt: on.later(500_000), intent: null, lease: null };
    expect(await on.seen(machine)).toMatchObject(parked);
  });

  it('a release goes on to quarantined, and the quarantine stays open', async () => {
    const on = given();
    const machine = await on.aside('quarantine');
    expect(await on.seen(machine)).toMatchObject({
      ...{ state: 'quarantined', intentKind: 'quarantine', lease: null, owed: null },
      deadlineAt: on.later(550_000),
    });
  });
}

function readyContract(given: Given): void {
  it('a machine that answered becomes ready and closes its intent', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    const { token } = await on.seen(machine);
    expect(await on.store.becomeReady({ ...on.act(machine), token })).toMatchObject({ granted: true });
    expect(await on.seen(machine)).toMatchObject({
      ...{ state: 'ready', clean: true, intent: null, intentKind: null, owed: null },
      deadlineAt: on.later(86_400_000),
    });
  });

  it('a machine with a newer token than it was seen with does not become ready', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    const { token } = await on.seen(machine);
    expect((await on.store.becomeReady({ ...on.act(machine), token: token - 1 })).granted).toBe(false);
    expect(await on.states(machine)).toEqual(['booting']);
  });

  it('a machine to be retired does not become ready', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    const { token } = await on.seen(machine);
    await on.intend(machine, 'retire');
    expect((await on.store.becomeReady({ ...on.act(machine), token })).granted).toBe(false);
  });

  it('a machine that was reset after its lease is clean again and becomes ready', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    expect(await on.seen(machine)).toMatchObject({ clean: false, uses: 1 });
    await on.done('reset', [await on.seen(machine)]);
    const booting = await on.seen(machine);
    expect(booting).toMatchObject({ state: 'booting', clean: true, halted: false, intentKind: 'recycle' });
    await on.store.becomeReady({ ...on.act(machine), token: booting.token });
    expect(await on.states(machine)).toEqual(['ready']);
  });
}
