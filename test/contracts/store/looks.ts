import { expect, it } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
import type { Progress } from '../../../src/fleet/provider.ts';
import type { Batch, Machine } from '../../../src/fleet/store.ts';
import { type Driver, everyone, running } from './driver.ts';

type Given = () => Driver;

export function looksContract(given: Given): void {
  launchContract(given);
  surplusContract(given);
  outcomeContract(given);
  lateContract(given);
}

/** A closed launch of this many machines. */
async function launching(on: Driver, count: number): Promise<{ batch: Batch; machines: string[] }> {
  const machines = (await on.wished(count)).toSorted();
  const batch = await on.closed(
    'launch',
    await Promise.all(machines.map((id) => on.claimed(id, 'provision'))),
  );
  return { batch, machines };
}

const short = new FleetError('no more room', { code: 'capacity', remedy: 'retry-elsewhere' });

function launchContract(given: Given): void {
  it('each machine adopts one launched instance, and boots once that runs and has an address', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 2);
    const instances = [`i-1-${batch.id}`, `i-2-${batch.id}`] as const;
    const pending = instances.map((instance) => ({ instance, state: 'pending', address: null }) as const);
    expect(await on.record(batch, { launched: pending })).toMatchObject({ recorded: true, ended: false });
    const adopted = await Promise.all(machines.map((id) => on.seen(id)));
    expect(adopted.map((machine) => machine.instance).toSorted()).toEqual(instances);
    expect(adopted.map((machine) => machine.state)).toEqual(['provisioning', 'provisioning']);
    on.pass(1000);
    const due = { lane: batch.lane, by: 'lane', now: on.now(), until: on.later(10_000) };
    const [again] = await on.store.claimLane(due);
    const look = { launched: [running(instances[0], '10.0.0.9'), running(instances[1], null)] };
    expect(await on.record(again as Batch, look)).toMatchObject({ ended: false });
    const states = await Promise.all(machines.map(async (id) => on.seen(id)));
    const boots = states.find((machine) => machine.instance === instances[0]);
    expect(boots).toMatchObject({
      ...{ state: 'booting', batch: null, address: '10.0.0.9', clean: true, deadlineAt: on.later(300_000) },
      ...{ intentKind: 'provision', owed: 'provision' },
    });
    expect(states.find((machine) => machine.instance === instances[1])).toMatchObject({
      state: 'provisioning',
    });
    const frozen = await on.store.lookBatch(batch.id);
    expect(frozen?.members.map((member) => member.instance).toSorted()).toEqual(instances);
    expect(frozen?.pending).toHaveLength(1);
  });

  it('a partial launch gives what there is, retires the rest once it is settled, and cools the placement', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 2);
    const launched = [running(`i-${batch.id}`)];
    expect(await on.record(batch, { launched, settled: true, error: short })).toMatchObject({
      ...{ ended: true, pools: [] },
    });
    const rows = await Promise.all(machines.map((id) => on.seen(id)));
    expect(rows.map((machine) => machine.state).toSorted()).toEqual(['booting', 'provisioning']);
    const failed = rows.find((machine) => machine.state === 'provisioning');
    expect(failed).toMatchObject({
      ...{ intentKind: 'retire', instance: null, batch: null, failure: 'no more room', owed: 'delete' },
    });
    const view = await on.store.viewPool(on.name);
    expect(view?.coolUntil).toEqual({ here: on.later(2000) });
  });

  it('a placement cools longer with each failed launch, until one works', async () => {
    const on = given();
    for (const coolMs of [2000, 4000, 8000]) {
      const { batch } = await launching(on, 1);
      await on.record(batch, { settled: true, error: short });
      expect((await on.store.viewPool(on.name))?.coolUntil).toEqual({ here: on.later(coolMs) });
    }
    const { batch } = await launching(on, 1);
    await on.record(batch, { launched: [running(`i-${batch.id}`)] });
    expect((await on.store.viewPool(on.name))?.coolUntil).toEqual({});
  });

  it('a launch that may still make instances keeps its machines waiting', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 1);
    expect(await on.record(batch, { settled: false })).toMatchObject({ recorded: true, ended: false });
    expect(await on.seen(machines[0] ?? '')).toMatchObject({ state: 'provisioning', batch: batch.id });
    expect(await on.store.lookBatch(batch.id)).toMatchObject({ state: 'sent', lookAt: on.later(1000) });
  });

  it('an instance that ends while it is launching fails its machine and is known to be gone', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 1);
    const instance = `i-${batch.id}`;
    await on.record(batch, { launched: [{ instance, state: 'pending', address: null }] });
    on.pass(1000);
    const due = { lane: batch.lane, by: 'lane', now: on.now(), until: on.later(10_000) };
    const [again] = await on.store.claimLane(due);
    await on.record(again as Batch, { launched: [{ instance, state: 'gone', address: null }] });
    expect(await on.seen(machines[0] ?? '')).toMatchObject({ intentKind: 'retire', instance, batch: null });
  });
}

function surplusContract(given: Given): void {
  it('surplus is condemned before its batch ends, by a machine of its own that is born with a retire', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 1);
    const launched = [running(`i-1-${batch.id}`), running(`i-2-${batch.id}`)];
    expect(await on.record(batch, { launched })).toMatchObject({ ended: true });
    const view = await on.store.viewPool(on.name);
    expect(view?.unowned).toBe(0);
    const undertaker = (await on.living()).find((machine) => machine.id !== machines[0]);
    expect(undertaker).toMatchObject({
      ...{
        state: 'provisioning',
        intentKind: 'retire',
        owed: 'delete',
        clean: false,
        batch: null,
        lease: null,
      },
      deadlineAt: on.later(60_000),
    });
    expect([undertaker?.instance, (await on.seen(machines[0] ?? '')).instance].toSorted()).toEqual(
      launched.map((each) => each.instance),
    );
    const deleting = await on.claimed(undertaker?.id ?? '', 'delete');
    await on.done('delete', [deleting]);
    expect(await on.states(deleting.id)).toEqual(['deleted']);
  });

  it('what a launch makes for a given up machine is deleted in its place: the pool never grows beyond its max', async () => {
    const on = given();
    await on.apply({ max: 2 });
    const { batch, machines } = await launching(on, 2);
    on.pass(700_000);
    await on.recover(machines[0] ?? '');
    const early = await on.claimed(machines[0] ?? '', 'delete');
    await on.store.claimBatch({
      batch: batch.id,
      by: 'lane',
      now: on.now(),
      until: on.later(1),
      replaySafe: true,
    });
    const claimed = { ...batch, token: batch.token + 1 };
    const launched = [running(`i-1-${batch.id}`), running(`i-2-${batch.id}`)];
    await on.record(claimed, { launched });
    expect(await on.living()).toHaveLength(2);
    const buried = await on.seen(machines[0] ?? '');
    expect(buried).toMatchObject({
      state: 'deleting',
      intentKind: 'retire',
      batch: null,
      token: early.token,
    });
    expect([buried.instance, (await on.seen(machines[1] ?? '')).instance].toSorted()).toEqual(
      launched.map((each) => each.instance),
    );
    expect(await on.seen(machines[1] ?? '')).toMatchObject({ state: 'booting' });
    // It was about to be finished without its cloud.
    const finish = { ...on.act(buried.id), step: 'delete', token: early.token } as const;
    expect((await on.store.finish(finish)).granted).toBe(false);
    on.pass(10_000);
    await on.done('delete', [await on.claimed(buried.id, 'delete')]);
    expect(await on.states(buried.id)).toEqual(['deleted']);
  });

  it('a member that still waits gets an instance before one that was given up', async () => {
    const on = given();
    const { batch, machines } = await launching(on, 2);
    on.pass(700_000);
    await on.recover(machines[0] ?? '');
    const act = { batch: batch.id, by: 'lane', now: on.now(), until: on.later(1), replaySafe: true };
    await on.store.claimBatch(act);
    await on.record(
      { ...batch, token: batch.token + 1 },
      { launched: [running(`i-${batch.id}`)], settled: false },
    );
    expect(await on.seen(machines[0] ?? '')).toMatchObject({ instance: null });
    expect(await on.seen(machines[1] ?? '')).toMatchObject({ instance: `i-${batch.id}`, state: 'booting' });
  });

  it('instances without a machine count against the limit of their pool', async () => {
    const on = given();
    await on.apply({ max: 2 });
    const { batch } = await launching(on, 1);
    const launched = [running(`i-1-${batch.id}`), running(`i-2-${batch.id}`)];
    await on.record(batch, { launched, settled: false, holdsLane: false });
    expect((await on.store.viewPool(on.name))?.unowned).toBe(1);
    expect(await on.wished(2)).toEqual([]);
  });
}

function outcomeContract(given: Given): void {
  it('each member of a batch has its own outcome, and the batch ends with the last', async () => {
    const on = given();
    const machines = [await on.deleting(), await on.deleting(), await on.deleting()];
    const batch = await on.closed('delete', machines);
    const [one, two, three] = machines.map((machine) => machine.instance ?? '') as [string, string, string];
    const failed: Progress = { state: 'failed', error: short };
    const outcomes = { [one]: { state: 'done' }, [two]: failed, [three]: { state: 'pending' } } as const;
    expect(await on.record(batch, { outcomes })).toMatchObject({ recorded: true, ended: false });
    expect(await on.states(...machines.map((machine) => machine.id))).toEqual([
      'deleted',
      'deleting',
      'deleting',
    ]);
    expect(await on.seen(machines[1]?.id ?? '')).toMatchObject({
      batch: null,
      failures: 1,
      failure: 'no more room',
    });
    expect(await on.store.lookBatch(batch.id)).toMatchObject({ state: 'sent', pending: [machines[2]?.id] });
    on.pass(1000);
    const due = { lane: batch.lane, by: 'lane', now: on.now(), until: on.later(10_000) };
    const [again] = await on.store.claimLane(due);
    const done = await on.record(again as Batch, { outcomes: { [three]: { state: 'done' } } });
    expect(done).toMatchObject({ ended: true, pools: [] });
  });

  it('a batch that has ended names the pools that may want to grow now, and no other', async () => {
    const on = given();
    const [first, second, third] = [await on.deleting(), await on.deleting(), await on.deleting()];
    const record = async (machine: Machine, state: 'done' | 'pending') =>
      on.record(await on.closed('delete', [machine]), { outcomes: { [machine.instance ?? '']: { state } } });
    expect(await record(first, 'done')).toMatchObject({ ended: true, pools: [] });
    await on.request();
    expect(await record(second, 'pending')).toMatchObject({ ended: false, pools: [] });
    expect(await record(third, 'done')).toMatchObject({ ended: true, pools: [on.name] });
  });

  it('a batch that has ended names a pool that keeps machines idle', async () => {
    const on = given();
    const machine = await on.deleting();
    await on.apply({ minIdle: 1 });
    const outcomes = { [machine.instance ?? '']: { state: 'done' } } as const;
    expect(await on.record(await on.closed('delete', [machine]), { outcomes })).toMatchObject({
      ...{ ended: true, pools: [on.name] },
    });
  });

  it('a deleted machine has closed its intent and its instance is known to be gone', async () => {
    const on = given();
    const machine = await on.deleting();
    await on.done('delete', [machine]);
    expect(await on.seen(machine.id)).toMatchObject({
      state: 'deleted',
      intent: null,
      batch: null,
      deadlineAt: null,
    });
    expect(await on.living()).toEqual([]);
    expect((await on.store.viewPool(on.name))?.unowned).toBe(0);
  });

  it('a failed reset retires its machine', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    await on.record(batch, {
      outcomes: everyone([await on.seen(machine)], { state: 'failed', error: short }),
    });
    expect(await on.seen(machine)).toMatchObject({
      state: 'resetting',
      intentKind: 'retire',
      owed: 'delete',
      clean: false,
    });
  });

  it('a member that the look says nothing of waits on', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    expect(await on.record(batch, { outcomes: {} })).toMatchObject({ recorded: true, ended: false });
    expect(await on.states(machine)).toEqual(['resetting']);
  });

  it('a machine to be retired while it is reset owes its delete once the reset is done', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    await on.intend(machine, 'retire');
    await on.record(batch, { outcomes: everyone([await on.seen(machine)], { state: 'done' }) });
    expect(await on.seen(machine)).toMatchObject({ state: 'booting', owed: 'delete' });
    expect(await on.claimed(machine, 'delete')).toMatchObject({ state: 'deleting' });
  });
}

function lateContract(given: Given): void {
  it('a look under an old token of its batch changes nothing', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const before = await on.seen(machine);
    const batch = await on.closed('reset', [before]);
    on.pass(10_000);
    await on.store.claimBatch({
      batch: batch.id,
      by: 'lane',
      now: on.now(),
      until: on.later(10_000),
      replaySafe: true,
    });
    const late = await on.record(batch, { outcomes: everyone([before], { state: 'done' }) });
    expect(late).toEqual({ recorded: false, ended: false, pools: [] });
    expect(await on.states(machine)).toEqual(['resetting']);
  });

  it('a look at an ended batch changes nothing', async () => {
    const on = given();
    const machine = await on.deleting();
    const batch = await on.closed('delete', [machine]);
    const outcomes = everyone([machine], { state: 'done' });
    await on.record(batch, { outcomes });
    expect(await on.record(batch, { outcomes })).toMatchObject({ recorded: false });
  });

  it('a late outcome of a member that was given up changes nothing', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    on.pass(400_000);
    await on.recover(machine);
    const before = await on.seen(machine);
    const recorded = await on.record(batch, { outcomes: everyone([before], { state: 'done' }) });
    expect(recorded).toMatchObject({ recorded: true, ended: true });
    expect(await on.seen(machine)).toEqual(before);
  });

  it('a machine given up and deleting in a newer batch is not settled by the older one', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const older = await on.closed('reset', [await on.seen(machine)]);
    on.pass(400_000);
    await on.recover(machine);
    const newer = await on.closed('delete', [await on.claimed(machine, 'delete')]);
    const before = await on.seen(machine);
    await on.record(older, { outcomes: everyone([before], { state: 'done' }) });
    expect(await on.seen(machine)).toEqual(before);
    expect(before).toMatchObject({ state: 'deleting', batch: newer.id });
  });
}
