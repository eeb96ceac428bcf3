import { expect, it } from 'vitest';
import { type Ring, ringKey } from '../../../src/fleet/reconcile-acts.ts';
import { DEADLINES, type Driver, everyone } from './driver.ts';

type Given = () => Driver;

export function recoveryContract(given: Given): void {
  deadlinesContract(given);
  statesContract(given);
  ringingContract(given);
  purgeContract(given);
}

function deadlinesContract(given: Given): void {
  it('overdue machines are found, the longest overdue first', async () => {
    const on = given();
    const [wished = ''] = await on.wished();
    const [booting = ''] = await on.booting();
    const mine = async (): Promise<string[]> => {
      const overdue = await on.store.overdueMachines({ now: on.now(), limit: 10_000 });
      return overdue.filter((machine) => machine.pool === on.name).map((machine) => machine.id);
    };
    on.pass(DEADLINES.booting - 1);
    expect(await mine()).toEqual([]);
    on.pass(1);
    expect(await mine()).toEqual([booting]);
    on.pass(DEADLINES.requested - DEADLINES.booting);
    expect(await mine()).toEqual([booting, wished]);
  });

  it('a recovery under another deadline than the one it was seen with changes nothing', async () => {
    const on = given();
    const [machine = ''] = await on.booting();
    const before = await on.seen(machine);
    const seenDeadline = on.later(1);
    expect((await on.store.recover({ ...on.act(machine), seenDeadline })).granted).toBe(false);
    expect(await on.seen(machine)).toEqual(before);
    expect((await on.store.recover({ ...on.act(on.newId()), seenDeadline })).granted).toBe(false);
  });

  it('a machine that keeps failing is looked at less and less often', async () => {
    const on = given();
    const { machine } = await on.after('stopped');
    for (const nextMs of [60_000, 120_000, 240_000]) {
      await on.recover(machine);
      expect(await on.seen(machine)).toMatchObject({ deadlineAt: on.later(nextMs), state: 'stopped' });
    }
  });
}

function statesContract(given: Given): void {
  it('an overdue wish is dropped', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    await on.recover(machine);
    expect(await on.seen(machine)).toMatchObject({ state: 'deleted', intent: null, deadlineAt: null });
  });

  it.each(['provisioning', 'resetting'] as const)(
    'an overdue machine in %s leaves its batch and is retired',
    async (state) => {
      const on = given();
      const [wish = ''] = state === 'provisioning' ? await on.wished() : [];
      const id = state === 'provisioning' ? wish : (await on.after('resetting')).machine;
      const claimed = state === 'provisioning' ? await on.claimed(id, 'provision') : await on.seen(id);
      const batch = await on.closed(state === 'provisioning' ? 'launch' : 'reset', [claimed]);
      const { token } = await on.seen(id);
      expect(await on.recover(id)).toMatchObject({
        granted: true,
        machine: {
          ...{ state, intentKind: 'retire', batch: null, token: token + 1, claimedUntil: null },
          ...{ owed: 'delete', deadlineAt: on.later(60_000) },
        },
      });
      expect(await on.store.lookBatch(batch.id)).toMatchObject({ pending: [], state: 'closed' });
      expect(await on.claimed(id, 'delete')).toMatchObject({ state: 'deleting' });
    },
  );

  it.each(['booting', 'ready'] as const)('an overdue machine in %s is retired', async (state) => {
    const on = given();
    const [machine = ''] = await on[state]();
    const { token } = await on.seen(machine);
    await on.recover(machine);
    expect(await on.seen(machine)).toMatchObject({
      state,
      intentKind: 'retire',
      owed: 'delete',
      token: token + 1,
    });
  });

  it('an overdue parked machine is retired, an overdue quarantine, too', async () => {
    const on = given();
    for (const kind of ['park', 'quarantine'] as const) {
      const machine = await on.aside(kind);
      await on.recover(machine);
      expect(await on.seen(machine)).toMatchObject({ intentKind: 'retire', owed: 'delete' });
    }
  });

  it('an overdue leased machine has its lease expired and is retired', async () => {
    const on = given();
    const { machine, lease } = await on.leased();
    await on.recover(machine);
    expect(await on.store.readLease(lease)).toMatchObject({
      state: 'ending',
      outcome: 'expired',
      reason: 'max-duration',
    });
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intentKind: 'retire', owed: 'stop' });
  });

  it('an overdue lease that is ending keeps its intent and its outcome', async () => {
    const on = given();
    const { machine, lease } = await on.after('ending');
    await on.recover(machine);
    expect(await on.seen(machine)).toMatchObject({ state: 'leased', intentKind: 'recycle', owed: 'stop' });
    expect(await on.store.readLease(lease)).toMatchObject({ state: 'ending', outcome: 'completed' });
  });

  it('an overdue stop goes on as stopped and is retired: deleting will halt it', async () => {
    const on = given();
    const { machine, lease } = await on.after('stopping');
    const batch = await on.closed('stop', [await on.seen(machine)]);
    await on.recover(machine);
    const after = await on.seen(machine);
    expect(after).toMatchObject({
      state: 'stopped',
      intentKind: 'retire',
      batch: null,
      owed: 'release',
      lease,
    });
    await on.record(batch, { outcomes: everyone([after], { state: 'done' }) });
    expect(await on.seen(machine)).toEqual(after);
  });

  it('an open quarantine of a stop stays past its deadline', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    await on.intend(machine, 'quarantine');
    await on.recover(machine);
    expect(await on.seen(machine)).toMatchObject({ state: 'stopped', intentKind: 'quarantine' });
  });

  it.each(['stopped', 'released'] as const)(
    'an overdue machine in %s keeps its intent: its step is only rung',
    async (state) => {
      const on = given();
      const { machine } = await on.after(state);
      await on.recover(machine);
      expect(await on.seen(machine)).toMatchObject({
        state,
        intentKind: 'recycle',
        deadlineAt: on.later(60_000),
      });
    },
  );

  it('an overdue deletion leaves its batch and is tried again, never taken for done', async () => {
    const on = given();
    const machine = await on.deleting();
    const batch = await on.closed('delete', [machine]);
    await on.recover(machine.id);
    const after = await on.seen(machine.id);
    expect(after).toMatchObject({ state: 'deleting', batch: null, intentKind: 'retire', owed: 'delete' });
    expect(after.deadlineAt).toEqual(on.later(60_000 + DEADLINES.deleting));
    await on.record(batch, { outcomes: everyone([machine], { state: 'done' }) });
    expect(await on.states(machine.id)).toEqual(['deleting']);
    expect(await on.claimed(machine.id, 'delete')).toMatchObject({ token: after.token + 1 });
  });
}

function ringingContract(given: Given): void {
  const page = (on: Driver, which: { after: string | null; limit: number }): Promise<readonly Ring[]> =>
    on.store.unattended({ now: on.now(), before: on.now(), ...which });
  const unattended = async (on: Driver): Promise<Ring[]> => {
    const rings = await page(on, { after: null, limit: 10_000 });
    const lanes = new Set(await batchesOf(on));
    return rings.filter((ring) => ring.pool === on.name || lanes.has(ring.batch ?? ''));
  };
  const batchesOf = async (on: Driver): Promise<string[]> =>
    (await on.living()).flatMap((machine) => machine.batch ?? []);

  it('an owed step that nobody has claimed is unattended', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    const { intent } = await on.seen(machine);
    expect(await unattended(on)).toEqual([
      {
        ...{ kind: 'step', machine, batch: null, pool: on.name, intent, step: 'provision', ring: 0 },
        since: on.now(),
      },
    ]);
  });

  it('the unattended come page by page, each of them once, although each page is rung before the next', async () => {
    const on = given();
    await on.wished(5);
    const [joined = ''] = await on.wished();
    await on.store.join(on.joinAct(await on.seen(joined), 'launch', on.newId()));
    const whole = await page(on, { after: null, limit: 10_000 });
    const kinds = (await unattended(on)).map((ring) => ring.kind);
    expect(kinds.toSorted()).toEqual(['batch', 'step', 'step', 'step', 'step', 'step']);
    const paged: Ring[] = [];
    for (let full = 0; full <= whole.length / 3; full += 1) {
      const last = paged.at(-1);
      const rings = await page(on, { after: last === undefined ? null : ringKey(last), limit: 3 });
      expect(rings).toHaveLength(Math.min(3, whole.length - full * 3));
      for (const ring of rings) if (ring.pool === on.name) await on.store.ringAgain({ ring, now: on.now() });
      paged.push(...rings);
    }
    expect(paged).toEqual(whole);
    expect(paged.map(ringKey)).toEqual(paged.map(ringKey).toSorted());
  });

  it('a claimed step is attended until its claim has run out', async () => {
    const on = given();
    const { machine } = await on.after('stopping');
    on.pass(9999);
    expect(await unattended(on)).toEqual([]);
    on.pass(1);
    expect(await unattended(on)).toMatchObject([{ machine, step: 'stop', since: on.now() }]);
  });

  it('a machine in a batch is attended; its batch is not, once its time has come', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const act = on.joinAct(await on.seen(id), 'launch', on.newId());
    const { batch } = await on.store.join({ ...act, closeAt: on.later(50) });
    on.pass(49);
    expect(await unattended(on)).toEqual([]);
    on.pass(1);
    expect(await unattended(on)).toMatchObject([{ kind: 'batch', batch: batch?.id, machine: null, ring: 0 }]);
  });

  it('a sent batch is unattended once its look is overdue', async () => {
    const on = given();
    const { machine } = await on.after('resetting');
    const batch = await on.closed('reset', [await on.seen(machine)]);
    await on.record(batch, { lookInMs: 1000 });
    on.pass(999);
    expect(await unattended(on)).toEqual([]);
    on.pass(1);
    expect(await unattended(on)).toMatchObject([{ kind: 'batch', batch: batch.id, since: on.now() }]);
  });

  it('ringing again raises the ring, once for each ring that was seen', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    const [ring] = await unattended(on);
    if (ring === undefined) throw new Error('a wish owes its provision');
    expect(await on.store.ringAgain({ ring, now: on.now() })).toBe(true);
    expect(await on.store.ringAgain({ ring, now: on.now() })).toBe(false);
    expect(await on.seen(machine)).toMatchObject({ ring: 1 });
    expect(await on.bells(machine)).toContainEqual(
      expect.objectContaining({ kind: 'step', machine, step: 'provision', ring: 1 }),
    );
  });

  it('a step that somebody has claimed meanwhile is not rung', async () => {
    const on = given();
    const [machine = ''] = await on.wished();
    const [ring] = await unattended(on);
    if (ring === undefined) throw new Error('a wish owes its provision');
    await on.claimed(machine, 'provision');
    expect(await on.store.ringAgain({ ring, now: on.now() })).toBe(false);
  });

  it('a step of an intent that was replaced meanwhile is not rung', async () => {
    const on = given();
    const { machine } = await on.after('ending');
    const [ring] = await unattended(on);
    if (ring === undefined) throw new Error('an ended lease owes its stop');
    await on.intend(machine, 'retire');
    expect(await on.store.ringAgain({ ring, now: on.now() })).toBe(false);
  });

  it('a batch is rung again as a job of its own', async () => {
    const on = given();
    const [id = ''] = await on.wished();
    const { batch } = await on.store.join(on.joinAct(await on.seen(id), 'launch', on.newId()));
    const [ring] = await unattended(on);
    if (ring === undefined) throw new Error('a batch without a job is unattended');
    expect(await on.store.ringAgain({ ring, now: on.now() })).toBe(true);
    const bells = await on.bells(batch?.id ?? '');
    expect(bells).toContainEqual(expect.objectContaining({ kind: 'batch', batch: batch?.id, ring: 1 }));
    const closed = { batch: batch?.id ?? '', by: 'lane', now: on.now(), until: on.later(10_000) };
    await on.store.closeBatch(closed);
    expect(await on.store.ringAgain({ ring: { ...ring, ring: 1 }, now: on.now() })).toBe(false);
  });
}

function purgeContract(given: Given): void {
  it('what is over is purged once it is old enough, and nothing else', async () => {
    const on = given();
    const machine = await on.deleting();
    const batch = await on.closed('delete', [machine]);
    await on.record(batch, { outcomes: everyone([machine], { state: 'done' }) });
    const { lease } = await on.after('released');
    const [young = ''] = await on.ready();
    const pending = await on.request({ owner: 'patient' });
    await on.store.purge({ before: on.now(), now: on.later(86_400_000), limit: 10_000 });
    expect(await on.store.look(machine.id)).toBeDefined();
    on.pass(1);
    expect(
      await on.store.purge({ before: on.now(), now: on.later(86_400_000), limit: 10_000 }),
    ).toBeGreaterThan(0);
    expect(await on.store.look(machine.id)).toBeUndefined();
    expect(await on.store.lookBatch(batch.id)).toBeUndefined();
    expect(await on.store.readLease(lease)).toBeUndefined();
    expect(await on.store.look(young)).toBeDefined();
    expect(await on.store.readLease(pending)).toBeDefined();
  });
}
