import { expect, it } from 'vitest';
import type { Batch } from '../../../src/fleet/store.ts';
import { type Driver, everyone, running } from './driver.ts';

type Given = () => Driver;

const MANY = 6;

/** Runs the same act several times at once. */
async function atOnce<T>(act: (index: number) => Promise<T>, times = MANY): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => act(index)));
}

export function racesContract(given: Given): void {
  machineRaces(given);
  batchRaces(given);
  leaseRaces(given);
}

function machineRaces(given: Given): void {
  it('of many claims of one step exactly one is granted', async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const { token } = await on.seen(machine);
    const answers = await atOnce((index) => on.claim(machine, 'stop', `stop.${index}`));
    expect(answers.filter((answer) => answer.granted)).toHaveLength(1);
    expect(await on.seen(machine)).toMatchObject({ token: token + 1, state: 'stopping' });
  });

  it('of many takeovers of one step exactly one is granted', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    on.pass(10_000);
    const answers = await atOnce((index) => on.claim(machine, 'stop', `stop.${index}`));
    expect(answers.filter((answer) => answer.granted)).toHaveLength(1);
  });

  it('of a finish and many takeovers the machine keeps one story', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const { token } = await on.seen(machine);
    on.pass(10_000);
    const [finished, ...claims] = await Promise.all([
      on.store.finish({ ...on.act(machine), step: 'stop', token }),
      ...Array.from({ length: MANY }, () => on.claim(machine, 'stop')),
    ]);
    const granted = claims.filter((claim) => claim.granted).length;
    expect(granted + Number(finished?.granted)).toBe(1);
    expect(await on.states(machine)).toEqual([granted === 1 ? 'stopping' : 'stopped']);
  });

  it('of many releases of one machine exactly one is granted', async () => {
    const on = given();
    const { machine, lease } = await on.after('stopped');
    const answers = await atOnce(() => on.store.release(on.act(machine)));
    expect(answers.filter((answer) => answer.granted)).toHaveLength(1);
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'completed' });
  });

  it('of many intents of one kind exactly one opens', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const answers = await atOnce(() => on.intend(machine, 'retire'));
    expect(answers.filter((answer) => answer.granted)).toHaveLength(1);
  });

  it('intents of all kinds at once leave the harshest', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    const kinds = ['park', 'quarantine', 'retire', 'park', 'quarantine'] as const;
    await Promise.all(kinds.map((kind) => on.intend(machine, kind)));
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'retire' });
  });

  it('of a match and a retire one wins: no lease begins under an open intent', async () => {
    const on = given();
    for (let round = 0; round < 5; round += 1) {
      const [machine = ''] = await on.ready();
      const lease = await on.request();
      await Promise.all([on.match(), on.intend(machine, 'retire'), on.match()]);
      const row = await on.seen(machine);
      const after = await on.store.readLease(lease);
      expect(row.intentKind).toBe('retire');
      expect(after?.state).toBe(row.state === 'leased' ? 'ending' : 'pending');
      await on.end(lease);
    }
  });

  it('of a claim and an intent that changes what is owed the claim does what stands in the row', async () => {
    const on = given();
    for (let round = 0; round < 5; round += 1) {
      const { machine } = await on.after('released');
      const [claim] = await Promise.all([on.claim(machine, 'provision'), on.intend(machine, 'retire')]);
      const row = await on.seen(machine);
      expect(row.intentKind).toBe('retire');
      expect(row.state).toBe(claim.granted ? 'resetting' : 'released');
    }
  });
}

function batchRaces(given: Given): void {
  it('many machines that join at once share one batch, opened once', async () => {
    const on = given();
    const lane = on.newId();
    const machines = await Promise.all((await on.wished(MANY)).map((id) => on.claimed(id, 'provision')));
    const joined = await Promise.all(
      machines.map((machine) => on.store.join(on.joinAct(machine, 'launch', lane))),
    );
    expect(joined.every((each) => each.granted)).toBe(true);
    const batches = new Set(joined.map((each) => each.batch?.id));
    expect(batches.size).toBe(1);
    const [batch = ''] = batches;
    expect((await on.store.lookBatch(batch))?.pending).toHaveLength(MANY);
  });

  it('a machine joins one batch, however often it tries at once', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const machine = await on.claimed(id, 'provision');
    const joined = await atOnce(() => on.store.join(on.joinAct(machine, 'launch', on.newId())));
    expect(joined.filter((each) => each.granted)).toHaveLength(1);
  });

  it('of many closings and replays of one batch exactly one is claimed at a time', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const { batch } = await on.store.join(
      on.joinAct(await on.claimed(id, 'provision'), 'launch', on.newId()),
    );
    const act = () => ({ batch: batch?.id ?? '', by: 'lane', now: on.now(), until: on.later(10_000) });
    const closed = await atOnce(() => on.store.closeBatch(act()));
    expect(closed.filter((each) => each !== undefined)).toHaveLength(1);
    on.pass(10_000);
    const claimed = await atOnce(() => on.store.claimBatch({ ...act(), replaySafe: true }));
    expect(claimed.filter((each) => each !== undefined)).toHaveLength(1);
  });

  it('of many batches of one lane exactly one is closed', async () => {
    const on = given();
    const lane = on.newId();
    const machines = await Promise.all((await on.wished(MANY)).map((id) => on.claimed(id, 'provision')));
    const batches = await Promise.all(
      machines.map(async (machine, index) => {
        const joined = await on.store.join({ ...on.joinAct(machine, 'launch', lane), group: String(index) });
        return joined.batch?.id ?? '';
      }),
    );
    const close = (batch: string) =>
      on.store.closeBatch({ batch, by: 'lane', now: on.now(), until: on.later(10_000) });
    const closed = (await Promise.all(batches.map(close))).filter((each) => each !== undefined);
    expect(closed).toHaveLength(1);
    const states = await on.states(...machines.map((machine) => machine.id));
    expect(states.filter((state) => state === 'provisioning')).toHaveLength(1);
  });

  it('a machine retired while its batch closes is either in the call or never was', async () => {
    const on = given();
    for (let round = 0; round < 5; round += 1) {
      const [id = ''] = await on.wished();
      const { batch } = await on.store.join(
        on.joinAct(await on.claimed(id, 'provision'), 'launch', on.newId()),
      );
      const act = { batch: batch?.id ?? '', by: 'lane', now: on.now(), until: on.later(10_000) };
      const [closed] = await Promise.all([on.store.closeBatch(act), on.intend(id, 'retire')]);
      const isIn = closed?.members.length === 1;
      expect(await on.seen(id)).toMatchObject(
        isIn ? { state: 'provisioning', intentKind: 'retire' } : { state: 'deleted', batch: null },
      );
    }
  });

  it('the same look recorded many times at once counts once', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const batch = await on.closed('launch', [await on.claimed(id, 'provision')]);
    const launched = [running(`i-1-${batch.id}`), running(`i-2-${batch.id}`)];
    const recorded = await atOnce(() => on.record(batch, { launched }));
    expect(recorded.filter((each) => each.recorded)).toHaveLength(1);
    const living = await on.living();
    expect(living.map((machine) => machine.state).toSorted()).toEqual(['booting', 'provisioning']);
  });

  it("of a recovery and a member's outcome one decides", async () => {
    const on = given();
    for (let round = 0; round < 5; round += 1) {
      const { machine } = await on.after('resetting');
      const before = await on.seen(machine);
      const batch: Batch = await on.closed('reset', [before]);
      const [recovered] = await Promise.all([
        on.recover(machine),
        on.record(batch, { outcomes: everyone([before], { state: 'done' }) }),
      ]);
      const row = await on.seen(machine);
      expect(row.batch).toBeNull();
      expect([row.state, row.intentKind]).toEqual(
        recovered.granted ? ['resetting', 'retire'] : ['booting', 'recycle'],
      );
    }
  });
}

function leaseRaces(given: Given): void {
  it('many matches at once give each machine to one lease and each lease one machine', async () => {
    const on = given();
    const machines = await on.ready(MANY);
    for (let index = 0; index < MANY; index += 1) await on.request({ owner: `owner-${index}` });
    const began = [...(await atOnce(() => on.match())).flat(), ...(await on.match())];
    // Matches that run at once may share one answer.
    const held = new Map(began.map((lease) => [lease.id, lease.machine]));
    expect([...held.values()].toSorted()).toEqual(machines.toSorted());
    expect(began.every((lease) => held.get(lease.id) === lease.machine)).toBe(true);
  });

  it('one machine goes to one of many requests', async () => {
    const on = given();
    await on.ready();
    for (let index = 0; index < MANY; index += 1) await on.request();
    const began = (await atOnce(() => on.match())).flat();
    expect(new Set(began.map((lease) => lease.id)).size).toBe(1);
  });

  it('many requests with one key make one lease', async () => {
    const on = given();
    const idempotencyKey = on.newId();
    const request = {
      ...{ owner: on.ada, selector: {}, priority: 0, idempotencyKey },
      ...{ waitTimeoutMs: 1000, heartbeatTimeoutMs: 1000, maxDurationMs: 1000, maxRetries: 0 },
    };
    const answers = await atOnce(() =>
      on.store.requestLease({ id: on.newId(), request, pools: [on.name], now: on.now(), digest: 'one' }),
    );
    const leases = answers.map((answer) => (answer === 'conflict' ? answer : answer.lease.id));
    expect(new Set(leases).size).toBe(1);
    expect(answers.filter((answer) => answer !== 'conflict' && answer.created)).toHaveLength(1);
  });

  it('many endings of one lease open one intent, and one outcome stands', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    const { token } = await on.seen(machine);
    const outcomes = ['completed', 'failed', 'cancelled'] as const;
    const ended = await atOnce((index) => on.end(lease, outcomes[index % 3]));
    expect(new Set(ended.map((each) => each?.outcome)).size).toBe(1);
    expect(await on.seen(machine)).toMatchObject({ intentKind: 'recycle', token });
    const flows = (await on.bells(machine)).filter((bell) => bell.kind === 'flow');
    expect(flows.filter((bell) => bell.intentKind === 'recycle')).toHaveLength(1);
  });

  it('a request that is cancelled while it is matched ends either way', async () => {
    const on = given();
    for (let round = 0; round < 5; round += 1) {
      const [machine = ''] = await on.ready();
      const lease = await on.request();
      const [ended] = await Promise.all([on.end(lease, 'cancelled'), on.match()]);
      expect(['ending', 'cancelled']).toContain(ended?.state);
      const row = await on.seen(machine);
      expect(row.state).toBe(ended?.state === 'ending' ? 'leased' : 'ready');
      if (row.state === 'ready') await on.intend(machine, 'retire');
    }
  });

  it('many plans at once never take a pool beyond its max', async () => {
    const on = given();
    await on.apply({ max: 4 });
    const wishes = (await atOnce(() => on.wished(3))).flat();
    expect(wishes.length).toBeLessThanOrEqual(4);
    expect(await on.living()).toHaveLength(wishes.length);
  });
}
