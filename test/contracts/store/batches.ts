import { expect, it } from 'vitest';
import type { Batch } from '../../../src/fleet/store.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function batchesContract(given: Given): void {
  joiningContract(given);
  closingContract(given);
  replayContract(given);
  failingContract(given);
}

function joiningContract(given: Given): void {
  it('machines of one lane, verb and group join one batch, and only the first opens it', async () => {
    const on = given();
    const lane = on.newId();
    const machines = await Promise.all((await on.wished(3)).map((id) => on.claimed(id, 'provision')));
    const joined = [];
    for (const machine of machines) joined.push(await on.store.join(on.joinAct(machine, 'launch', lane)));
    const [first] = joined;
    expect(joined.map((each) => each.batch?.id)).toEqual(Array(3).fill(first?.batch?.id));
    expect(joined.map((each) => each.batch?.opened)).toEqual([true, false, false]);
    expect(await on.store.lookBatch(first?.batch?.id ?? '')).toMatchObject({
      ...{ state: 'open', lane, verb: 'launch', token: 0, handle: null, lookAt: null },
      pending: machines.map((machine) => machine.id).toSorted(),
    });
  });

  it('another verb or group has a batch of its own', async () => {
    const on = given();
    const lane = on.newId();
    const [one, two] = await Promise.all((await on.wished(2)).map((id) => on.claimed(id, 'provision')));
    if (one === undefined || two === undefined) throw new Error('two machines were wished for');
    const first = await on.store.join(on.joinAct(one, 'launch', lane));
    const second = await on.store.join({ ...on.joinAct(two, 'launch', lane), group: 'other' });
    expect(second.batch).toMatchObject({ opened: true });
    expect(second.batch?.id).not.toBe(first.batch?.id);
  });

  it('a full batch takes no more: the next machine opens another', async () => {
    const on = given();
    const lane = on.newId();
    const ids: (string | undefined)[] = [];
    for (const id of await on.wished(3)) {
      const act = on.joinAct(await on.claimed(id, 'provision'), 'launch', lane);
      ids.push((await on.store.join({ ...act, size: 2 })).batch?.id);
    }
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('joining is a claim, for the verb that the owed step asks for; a machine joins once', async () => {
    const on = given();
    const lane = on.newId();
    const [id = ''] = await on.wished();
    const machine = await on.seen(id);
    for (const verb of ['reset', 'start', 'stop', 'delete'] as const) {
      expect((await on.store.join(on.joinAct(machine, verb, lane))).granted).toBe(false);
    }
    expect(await on.seen(id)).toEqual(machine);
    const joined = await on.store.join({ ...on.joinAct(machine, 'launch', lane), by: 'provision.job.0' });
    expect(joined).toMatchObject({ granted: true, machine: { token: machine.token + 1 } });
    const claim = { token: machine.token + 1, claimedBy: 'provision.job.0', batch: joined.batch?.id };
    expect(await on.seen(id)).toMatchObject(claim);
    expect((await on.store.join(on.joinAct(machine, 'launch', lane))).granted).toBe(false);
    expect(
      (await on.store.join({ ...on.joinAct(machine, 'launch', lane), machine: on.newId() })).machine,
    ).toBe(undefined);
  });

  it('a machine whose step is being done joins only once that claim has run out', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const act = { ...on.joinAct(await on.seen(machine), 'stop', on.newId()), now: on.now() };
    expect((await on.store.join(act)).granted).toBe(false);
    on.pass(10_000);
    expect((await on.store.join({ ...act, now: on.now() })).granted).toBe(true);
  });

  it('a machine that joins to be deleted is deleting from there on', async () => {
    const on = given();
    const { machine } = await on.after('released');
    await on.intend(machine, 'retire');
    await on.store.join(on.joinAct(await on.seen(machine), 'delete', on.newId()));
    expect(await on.seen(machine)).toMatchObject({ state: 'deleting', deadlineAt: on.later(450_000) });
  });
}

/** An open batch with one machine to launch. */
async function opened(on: Driver, lane: string): Promise<{ batch: string; machine: string }> {
  const [id = ''] = await on.wished();
  const machine = await on.claimed(id, 'provision');
  const joined = await on.store.join(on.joinAct(machine, 'launch', lane));
  return { batch: joined.batch?.id ?? '', machine: id };
}

function closing(on: Driver, batch: string) {
  return { batch, by: 'lane', now: on.now(), until: on.later(10_000) };
}

function closingContract(given: Given): void {
  it('closing freezes a batch, claims it, and takes its wishes to provisioning', async () => {
    const on = given();
    const lane = on.newId();
    const { batch, machine } = await opened(on, lane);
    const closed = await on.store.closeBatch(closing(on, batch));
    expect(closed).toMatchObject({
      ...{ id: batch, state: 'closed', token: 1, claimedUntil: on.later(10_000) },
      ...{ members: [{ machine, instance: null }], pending: [machine] },
    });
    expect(await on.seen(machine)).toMatchObject({
      state: 'provisioning',
      deadlineAt: on.later(700_000),
      batch,
    });
    const [late = ''] = await on.wished();
    const joined = await on.store.join(on.joinAct(await on.claimed(late, 'provision'), 'launch', lane));
    expect(joined.batch?.id).not.toBe(batch);
  });

  it('a batch is not closed before its time, nor twice', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const act = on.joinAct(await on.claimed(id, 'provision'), 'launch', on.newId());
    const { batch } = await on.store.join({ ...act, closeAt: on.later(50) });
    expect(await on.store.closeBatch(closing(on, batch?.id ?? ''))).toBeUndefined();
    on.pass(50);
    expect(await on.store.closeBatch(closing(on, batch?.id ?? ''))).toMatchObject({ state: 'closed' });
    expect(await on.store.closeBatch(closing(on, batch?.id ?? ''))).toBeUndefined();
    expect(await on.store.closeBatch(closing(on, on.newId()))).toBeUndefined();
  });

  it('a busy lane closes no other batch until the one that holds it lets go', async () => {
    const on = given();
    const lane = on.newId();
    const first = await opened(on, lane);
    const closed = await on.store.closeBatch(closing(on, first.batch));
    const second = await opened(on, lane);
    expect(await on.store.closeBatch(closing(on, second.batch))).toBeUndefined();
    expect(await on.seen(second.machine)).toMatchObject({ state: 'requested' });
    await on.record(closed as Batch, { holdsLane: false, settled: false });
    expect(await on.store.closeBatch(closing(on, second.batch))).toMatchObject({ state: 'closed' });
  });

  it('a batch that all members have left is closed with none', async () => {
    const on = given();
    const { batch, machine } = await opened(on, on.newId());
    await on.intend(machine, 'retire');
    const closed = await on.store.closeBatch(closing(on, batch));
    expect(closed).toMatchObject({ members: [], pending: [] });
    const recorded = await on.record(closed as Batch, { settled: true });
    expect(recorded).toMatchObject({ recorded: true, ended: true });
  });
}

function replayContract(given: Given): void {
  it('a closed batch is claimed again, under a higher token, only once its claim has run out', async () => {
    const on = given();
    const { batch } = await opened(on, on.newId());
    await on.store.closeBatch(closing(on, batch));
    expect(await on.store.claimBatch({ ...closing(on, batch), replaySafe: true })).toBeUndefined();
    on.pass(10_000);
    const claimed = await on.store.claimBatch({ ...closing(on, batch), replaySafe: true });
    expect(claimed).toMatchObject({ state: 'closed', token: 2, claimedUntil: on.later(10_000) });
    expect(claimed?.members).toHaveLength(1);
  });

  it('a renewed claim stands until its new end, and an old token renews nothing', async () => {
    const on = given();
    const { batch } = await opened(on, on.newId());
    await on.store.closeBatch(closing(on, batch));
    on.pass(9000);
    expect(await on.store.renewBatch({ batch, token: 1, until: on.later(10_000) })).toBe(true);
    expect(await on.store.renewBatch({ batch, token: 0, until: on.later(99_000) })).toBe(false);
    on.pass(9000);
    expect(await on.store.claimBatch({ ...closing(on, batch), replaySafe: true })).toBeUndefined();
    on.pass(1000);
    expect(await on.store.claimBatch({ ...closing(on, batch), replaySafe: true })).toMatchObject({
      token: 2,
    });
    expect(await on.store.renewBatch({ batch, token: 1, until: on.later(10_000) })).toBe(false);
  });

  it('a taken over call retires its members where the cloud would execute it twice', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    on.pass(10_000);
    await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: false });
    expect(await on.seen(machine)).toMatchObject({
      intentKind: 'retire',
      state: 'resetting',
      batch: batch.id,
    });
  });

  it('a taken over call that the cloud executes once retires nobody', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    on.pass(10_000);
    await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: true });
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'recycle' });
  });

  it('a taken over stop leaves an open quarantine as it is', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    await on.intend(machine, 'quarantine');
    const batch = await on.closed('stop', [await on.seen(machine)]);
    on.pass(10_000);
    await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: false });
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'quarantine' });
  });

  it('a call that was refused before anything was done is sent again without harm to its members', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    const delay = {
      batch: batch.id,
      token: batch.token,
      until: on.later(500),
      now: on.now(),
      failure: 'throttled',
    };
    expect(await on.store.delayBatch({ ...delay, inDoubt: false })).toBe(true);
    expect(await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: false })).toBeUndefined();
    on.pass(500);
    expect(await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: false })).toMatchObject({
      ...{ failures: 1, token: 2 },
    });
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'recycle' });
  });

  it('a call that may have been executed stays in doubt when it is put off', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    const delay = {
      batch: batch.id,
      token: batch.token,
      until: on.later(500),
      now: on.now(),
      failure: 'no answer',
    };
    await on.store.delayBatch({ ...delay, inDoubt: true });
    expect(await on.store.delayBatch({ ...delay, token: 0, inDoubt: false })).toBe(false);
    on.pass(500);
    await on.store.claimBatch({ ...closing(on, batch.id), replaySafe: false });
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'retire' });
  });

  it('one poll claims every batch of its lane whose look is due, and no other', async () => {
    const on = given();
    const lane = on.newId();
    const batches: Batch[] = [];
    for (const lookInMs of [1000, 1000, 5000]) {
      const { batch } = await opened(on, lane);
      const closed = await on.store.closeBatch(closing(on, batch));
      await on.record(closed as Batch, { settled: false, lookInMs });
      batches.push(closed as Batch);
    }
    on.pass(1000);
    const act = { lane, by: 'lane', now: on.now(), until: on.later(10_000) };
    const due = await on.store.claimLane(act);
    expect(new Set(due.map((each) => each.id))).toEqual(new Set([batches[0]?.id, batches[1]?.id]));
    expect(due.every((each) => each.token === 2 && each.handle === 'sent')).toBe(true);
    expect(await on.store.claimLane(act)).toEqual([]);
  });
}

function failingContract(given: Given): void {
  it('a refusal that no retry mends retires what was to be launched, and ends the batch', async () => {
    const on = given();
    const lane = on.newId();
    const { batch, machine } = await opened(on, lane);
    const closed = await on.store.closeBatch(closing(on, batch));
    const act = { batch, token: closed?.token ?? 0, failure: 'refused', by: 'lane', now: on.now() };
    const pools = await on.store.pools();
    expect(await on.store.failBatch({ ...act, token: 0, pools })).toBe(false);
    expect(await on.store.failBatch({ ...act, pools })).toBe(true);
    expect(await on.store.lookBatch(batch)).toMatchObject({ state: 'ended', pending: [] });
    expect(await on.seen(machine)).toMatchObject({
      ...{ state: 'provisioning', intentKind: 'retire', batch: null, failure: 'refused', owed: 'delete' },
      deadlineAt: on.later(60_000),
    });
    expect(await on.store.closeBatch(closing(on, (await opened(on, lane)).batch))).toBeDefined();
  });

  it('a stop that is refused still counts as stopped, and the machine is retired', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const batch = await on.closed('stop', [await on.seen(machine)]);
    const act = { batch: batch.id, token: batch.token, failure: 'refused', by: 'lane', now: on.now() };
    await on.store.failBatch({ ...act, pools: await on.store.pools() });
    expect(await on.seen(machine)).toMatchObject({ state: 'stopped', intentKind: 'retire', owed: 'release' });
  });
}
