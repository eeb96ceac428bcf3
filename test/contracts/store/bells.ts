import { expect, it } from 'vitest';
import type { Bell } from '../../../src/fleet/outbox.ts';
import { type Driver, everyone } from './driver.ts';

type Given = () => Driver;

export function bellsContract(given: Given): void {
  ringingContract(given);
  wakingContract(given);
  deliveryContract(given);
}

function ringingContract(given: Given): void {
  it('each new intent rings for the flow it owes, with the state it is in', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    await on.bells();
    await on.end(lease);
    const { intent } = await on.seen(machine);
    expect(await on.bells(machine)).toEqual([
      {
        ...{ id: expect.any(Number) as number, kind: 'flow', machine, intent, pool: on.name },
        ...{ state: 'leased', intentKind: 'recycle' },
      },
    ]);
    expect(await on.bells(machine)).toEqual([]);
  });

  it('a wish rings for its provision', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    expect(await on.bells(machine)).toMatchObject([
      { kind: 'flow', state: 'requested', intentKind: 'provision' },
    ]);
  });

  it('an intent that was replaced before its bell went out is not rung for', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    await on.bells();
    await on.intend(machine, 'park');
    await on.intend(machine, 'retire');
    const { intent } = await on.seen(machine);
    expect(await on.bells(machine)).toMatchObject([
      { kind: 'flow', intent, intentKind: 'retire', state: 'stopping' },
    ]);
  });

  it('a condemned instance rings for its deletion', async () => {
    const on = given();
    await on.apply();
    const instance = `i-${on.newId()}`;
    const item = { instance, state: 'running', address: null, batch: null } as const;
    await on.swept([item], { graceMs: 0 });
    await on.swept([item], { graceMs: 0 });
    expect(await on.bells(on.name)).toMatchObject([
      { kind: 'flow', state: 'provisioning', intentKind: 'retire' },
    ]);
  });

  it('a retire of members whose call was taken over rings for their new flow', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    await on.bells();
    on.pass(10_000);
    const claim = { batch: batch.id, by: 'lane', now: on.now(), until: on.later(10_000) };
    await on.store.claimBatch({ ...claim, replaySafe: false });
    expect(await on.bells(machine)).toMatchObject([
      { kind: 'flow', state: 'resetting', intentKind: 'retire' },
    ]);
  });
}

function wakingContract(given: Given): void {
  it("a step done by its flow's own job wakes nobody, one done by another wakes that job", async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const { intent } = await on.seen(machine);
    const own = await on.claimed(machine, 'stop', `stop.${intent}.0`);
    await on.bells();
    await on.store.finish({ ...on.act(machine, `stop.${intent}.0`), step: 'stop', token: own.token });
    expect(await on.bells(intent ?? '')).toEqual([]);
    await on.store.release(on.act(machine, `release.${intent}.1`));
    expect(jobs(await on.bells(intent ?? ''))).toEqual([`release.${intent}.0`]);
  });

  it("a member's outcome wakes the job that claimed it and the one of its open intent", async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const { intent } = await on.seen(machine);
    const owing = await on.seen(machine);
    const act = on.joinAct(owing, 'stop', on.newId());
    const joined = await on.store.join({ ...act, by: `stop.${intent}.2` });
    const closing = { batch: joined.batch?.id ?? '', by: 'lane', now: on.now(), until: on.later(10_000) };
    const batch = await on.store.closeBatch(closing);
    if (batch === undefined) throw new Error('an idle lane takes its batch');
    await on.bells();
    await on.record(batch, { outcomes: everyone([owing], { state: 'done' }) });
    expect(jobs(await on.bells(intent ?? ''))).toEqual([`stop.${intent}.0`, `stop.${intent}.2`]);
  });

  it('a failed member wakes its jobs, too', async () => {
    const on = given();
    const machine = await on.deleting();
    const batch = await on.closed('delete', [machine]);
    await on.bells();
    const act = { batch: batch.id, token: batch.token, failure: 'refused', by: 'lane', now: on.now() };
    await on.store.failBatch({ ...act, pools: await on.store.pools() });
    expect(jobs(await on.bells(machine.intent ?? ''))).toEqual([`delete.${machine.intent}.0`]);
  });

  it('a batch that failed frees its lane, too', async () => {
    const on = given();
    const lane = on.newId();
    const busy = await on.closed('delete', [await on.deleting()], lane);
    const next = await on.store.join(on.joinAct(await on.deleting(), 'delete', lane));
    await on.bells();
    const act = { batch: busy.id, token: busy.token, failure: 'refused', by: 'lane', now: on.now() };
    await on.store.failBatch({ ...act, pools: await on.store.pools() });
    expect(jobs(await on.bells(next.batch?.id ?? ''))).toEqual([`batch.${next.batch?.id}.0`]);
  });

  it('a lane that is free wakes the batch that has been collecting for it', async () => {
    const on = given();
    const lane = on.newId();
    const busy = await on.closed('delete', [await on.deleting()], lane);
    const next = await on.store.join(on.joinAct(await on.deleting(), 'delete', lane));
    await on.bells();
    await on.record(busy, { holdsLane: false });
    expect(jobs(await on.bells(next.batch?.id ?? ''))).toEqual([`batch.${next.batch?.id}.0`]);
  });

  it('also one whose window is not over: it may be over before anybody sees that the lane is free', async () => {
    const on = given();
    const lane = on.newId();
    const busy = await on.closed('delete', [await on.deleting()], lane);
    const join = on.joinAct(await on.deleting(), 'delete', lane);
    const next = await on.store.join({ ...join, closeAt: on.later(10_000) });
    await on.bells();
    await on.record(busy, { holdsLane: false });
    expect(jobs(await on.bells(next.batch?.id ?? ''))).toEqual([`batch.${next.batch?.id}.0`]);
  });
}

function jobs(bells: readonly Bell[]): string[] {
  return bells.flatMap((bell) => (bell.kind === 'wake' ? bell.job : [])).toSorted();
}

function deliveryContract(given: Given): void {
  it('bells that could not be delivered are kept', async () => {
    const on = given();
    await on.bells();
    const [machine = ''] = await on.wished();
    const deliver = (): Promise<never> => Promise.reject(new Error('the queues are away'));
    await expect(on.outbox.deliver({ now: on.now(), limit: 100, deliver })).rejects.toThrow('away');
    expect(await on.bells(machine)).toHaveLength(1);
  });

  it('a bell that is put off comes again then, one try later', async () => {
    const on = given();
    await on.bells();
    const { machine } = await on.after('stopped');
    const { intent } = await on.seen(machine);
    await on.bells();
    await on.store.release(on.act(machine, 'other'));
    const tries: number[] = [];
    const putOff = async (): Promise<void> => {
      await on.outbox.deliver({
        now: on.now(),
        limit: 100,
        deliver: (bells) => {
          const mine = bells.filter((bell) => bell.kind === 'wake' && bell.job === `release.${intent}.0`);
          for (const bell of mine) if (bell.kind === 'wake') tries.push(bell.tries);
          return Promise.resolve(new Map(mine.map((bell) => [bell.id, on.later(25)])));
        },
      });
    };
    await putOff();
    await putOff();
    on.pass(25);
    await putOff();
    expect(tries).toEqual([0, 1]);
  });

  it('bells come in the order they were written, no more than asked for', async () => {
    const on = given();
    await on.bells();
    const machines = [...(await on.wished(1)), ...(await on.wished(1)), ...(await on.wished(1))];
    const heard: string[][] = [];
    const deliver = (bells: readonly Bell[]): Promise<Map<number, Date>> => {
      heard.push(bells.flatMap((bell) => (bell.kind === 'flow' ? bell.machine : [])));
      return Promise.resolve(new Map());
    };
    const counts = [
      await on.outbox.deliver({ now: on.now(), limit: 2, deliver }),
      await on.outbox.deliver({ now: on.now(), limit: 2, deliver }),
      await on.outbox.deliver({ now: on.now(), limit: 2, deliver }),
    ];
    expect(counts).toEqual([2, 1, 0]);
    expect(heard.flat()).toEqual(machines);
  });

  it('bells that one relay is delivering are left to it by the others', async () => {
    const on = given();
    await on.bells();
    const [machine = ''] = await on.wished();
    const heard: string[] = [];
    await on.outbox.deliver({
      now: on.now(),
      limit: 100,
      deliver: async () => {
        heard.push(...(await on.bells(machine)).map((bell) => bell.kind));
        return new Map();
      },
    });
    expect(heard).toEqual([]);
    expect(await on.bells(machine)).toEqual([]);
  });
}
