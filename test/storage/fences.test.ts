import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BATCHED_STATES,
  INTENT_KINDS,
  MACHINE_STATES,
  type MachineState,
  OWED,
} from '../../src/fleet/lifecycle.ts';
import { isHeld, openRawFleet, type RawFleet, refused } from './raw-fleet.ts';

let fleet: RawFleet;
beforeAll(async () => {
  fleet = await openRawFleet();
});
afterAll(() => fleet.close());

const CHECK = refused('23514');
const UNIQUE = refused('23505');

describe('a fencing token', () => {
  test('never goes down, whatever else its statement does', async () => {
    const id = await fleet.machine({ state: 'booting', token: 7 });
    expect(await fleet.attempt([`update machine set token = 6 where id = '${id}'`])).toMatchObject(CHECK);
    expect(
      await fleet.attempt([`update machine set token = 0, state = 'deleting' where id = '${id}'`]),
    ).toMatchObject(CHECK);
    expect(await fleet.attempt([`update machine set token = -token where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    expect(await fleet.attempt([`update machine set token = null where id = '${id}'`])).toMatchObject(
      refused('23502'),
    );
    await fleet.run(`update machine set token = 8 where id = $1`, [id]);
  });
});

describe('an intent', () => {
  test('is open at most once a machine', async () => {
    const machine_id = await fleet.machine();
    const first = await fleet.intent({ machine_id, kind: 'park' });
    const second = `insert into intent (id, machine_id, kind, reason, opened_at)
      values (gen_random_uuid(), '${machine_id}', 'retire', 'r', now())`;
    expect(await fleet.attempt([second])).toMatchObject(UNIQUE);
    await fleet.run(`update intent set closed_at = now(), closed_why = 'replaced' where id = $1`, [first]);
    await fleet.run(second);
    expect(
      await fleet.attempt([`update intent set closed_at = null, closed_why = null where id = '${first}'`]),
    ).toMatchObject(UNIQUE);
  });

  test('stands on its machine with its kind, or not at all', async () => {
    const id = await fleet.machine();
    expect(await fleet.attempt([`update machine set intent_kind = 'park' where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    expect(
      await fleet.attempt([`update machine set intent_id = gen_random_uuid() where id = '${id}'`]),
    ).toMatchObject(CHECK);
    expect(
      await fleet.attempt([
        `update machine set intent_id = gen_random_uuid(), intent_kind = 'reuse' where id = '${id}'`,
      ]),
    ).toMatchObject(CHECK);
  });

  test('is open or closed for a reason', async () => {
    const machine_id = await fleet.machine();
    const id = await fleet.intent({ machine_id, kind: 'park' });
    expect(await fleet.attempt([`update intent set closed_at = now() where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    expect(await fleet.attempt([`update intent set closed_why = 'done' where id = '${id}'`])).toMatchObject(
      CHECK,
    );
  });
});

describe('a machine', () => {
  test('is ready only while it is clean', async () => {
    const ready = await fleet.machine();
    expect(await fleet.attempt([`update machine set clean = false where id = '${ready}'`])).toMatchObject(
      CHECK,
    );
    const booting = await fleet.machine({ state: 'booting', clean: false });
    expect(await fleet.attempt([`update machine set state = 'ready' where id = '${booting}'`])).toMatchObject(
      CHECK,
    );
    await fleet.run(`update machine set state = 'ready', clean = true where id = $1`, [booting]);
    expect(await fleet.attempt([`update machine set clean = null where id = '${booting}'`])).toMatchObject(
      refused('23502'),
    );
  });

  const waits = (state: MachineState) => (BATCHED_STATES as readonly MachineState[]).includes(state);
  const inState = (state: MachineState) =>
    fleet.machine({ state, lease_id: state === 'leased' ? randomUUID() : null });
  const join = (id: string, batch: string) => `update machine set batch_id = '${batch}' where id = '${id}'`;
  const name = (id: string) => `update machine set lease_id = '${randomUUID()}' where id = '${id}'`;

  test.each(MACHINE_STATES.filter(waits))('that is %s may belong to a batch', async (state) => {
    const [id, batch_id] = [await inState(state), await fleet.batch()];
    await fleet.run(join(id, batch_id));
    expect(await fleet.run(`select batch_id from machine where id = $1`, [id])).toEqual([{ batch_id }]);
  });

  test.each(MACHINE_STATES.filter((state) => !waits(state)))(
    'that is %s belongs to no batch',
    async (state) => {
      const [id, batch] = [await inState(state), await fleet.batch()];
      expect(await fleet.attempt([join(id, batch)])).toMatchObject(CHECK);
    },
  );

  test.each(MACHINE_STATES.filter((state) => !isHeld(state)))('that is %s names no lease', async (state) => {
    expect(await fleet.attempt([name(await inState(state))])).toMatchObject(CHECK);
  });

  test('names its lease within a hold, and always while it is leased', async () => {
    const [leased, stopping] = [await inState('leased'), await inState('stopping')];
    await fleet.run(name(stopping));
    await fleet.run(`update machine set lease_id = null where id = $1`, [stopping]);
    const unnamed = await fleet.attempt([`update machine set lease_id = null where id = '${leased}'`]);
    expect(unnamed).toMatchObject(CHECK);
  });

  test('leaves its batch in the statement that moves it out of the states that wait', async () => {
    const batch_id = await fleet.batch();
    const id = await fleet.machine({ state: 'stopping', batch_id });
    expect(await fleet.attempt([`update machine set state = 'stopped' where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    await fleet.run(`update machine set state = 'stopped', batch_id = null where id = $1`, [id]);
  });

  test('owes what the lifecycle table says, and nothing can write it otherwise', async () => {
    for (const state of MACHINE_STATES) {
      for (const kind of INTENT_KINDS) {
        const lease_id = state === 'leased' ? randomUUID() : null;
        const id = await fleet.machine({ state, lease_id, intent_id: randomUUID(), intent_kind: kind });
        const [row] = await fleet.run(`select owed from machine where id = $1`, [id]);
        expect([state, kind, row?.['owed']]).toEqual([state, kind, OWED[state][kind] ?? null]);
      }
    }
    const id = await fleet.machine();
    expect(await fleet.attempt([`update machine set owed = 'delete' where id = '${id}'`])).toMatchObject(
      refused('428C9'),
    );
  });

  test.each(MACHINE_STATES.filter((state) => state !== 'deleted' && !isHeld(state)))(
    'that is %s has a row that nobody removes',
    async (state) => {
      const id = await fleet.machine({ state });
      expect(await fleet.attempt([`delete from machine where id = '${id}'`])).toMatchObject(CHECK);
    },
  );

  test('has a state that the table knows', async () => {
    const id = await fleet.machine();
    expect(await fleet.attempt([`update machine set state = 'terminated' where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    expect(await fleet.attempt([`update machine set state = null where id = '${id}'`])).toMatchObject(
      refused('23502'),
    );
  });
});

describe('a lease', () => {
  test.each([
    ['active', null],
    ['ending', 'lost'],
  ])('that is %s has a machine that can be held', async (state, outcome) => {
    await expect(fleet.lease({ state, outcome })).rejects.toMatchObject({ code: '23514' });
    const machine_id = await fleet.machine();
    await expect(fleet.lease({ state, outcome, machine_id })).rejects.toMatchObject({ code: '23503' });
    const unknown = randomUUID();
    await expect(fleet.lease({ state, outcome, machine_id: unknown })).rejects.toMatchObject({
      code: '23503',
    });
  });

  test('begins on no machine that is not leased in the same commit', async () => {
    const machine = await fleet.machine();
    const lease = await fleet.lease();
    expect(
      await fleet.attempt([
        `update lease set state = 'active', machine_id = '${machine}' where id = '${lease}'`,
      ]),
    ).toMatchObject(refused('23503'));
    await fleet.run(`with held as (
        update lease set state = 'active', machine_id = '${machine}' where id = '${lease}' returning id, machine_id)
      update machine m set state = 'leased', lease_id = h.id from held h where m.id = h.machine_id`);
  });

  test('that is ending keeps the outcome it shows', async () => {
    const { lease } = await fleet.held('leased', 'ending');
    for (const change of [
      `outcome = 'failed'`,
      `outcome = null`,
      `state = 'failed', outcome = 'failed'`,
      `state = 'failed'`,
      `state = 'active', outcome = null`,
    ]) {
      expect(await fleet.attempt([`update lease set ${change} where id = '${lease}'`])).toMatchObject(CHECK);
    }
    await fleet.run(`update lease set state = 'completed' where id = $1`, [lease]);
    expect(await fleet.attempt([`update lease set outcome = 'failed' where id = '${lease}'`])).toMatchObject(
      CHECK,
    );
  });

  test.each([
    ['pending', null],
    ['active', null],
    ['ending', 'completed'],
  ])('that is %s has a row that nobody removes', async (state, outcome) => {
    const machine_id = await fleet.machine({ state: 'stopped' });
    const id = await fleet.lease({ state, outcome, machine_id });
    expect(await fleet.attempt([`delete from lease where id = '${id}'`])).toMatchObject(CHECK);
  });

  test('stands once for its owner and key', async () => {
    await fleet.lease({ owner: 'ann', idempotency_key: 'once' });
    await expect(fleet.lease({ owner: 'ann', idempotency_key: 'once' })).rejects.toMatchObject({
      code: '23505',
    });
    await fleet.lease({ owner: 'bob', idempotency_key: 'once' });
  });
});

describe('an instance', () => {
  const condemned_at = new Date('2030-01-02T00:00:00Z');

  test('that is condemned is never adopted and never pardoned', async () => {
    const machine = await fleet.machine({ state: 'provisioning' });
    const id = await fleet.instance({ condemned_at });
    expect(
      await fleet.attempt([`update instance set machine_id = '${machine}' where id = '${id}'`]),
    ).toMatchObject(CHECK);
    expect(await fleet.attempt([`update instance set condemned_at = null where id = '${id}'`])).toMatchObject(
      CHECK,
    );
    expect(
      await fleet.attempt([
        `update instance set condemned_at = null, machine_id = '${machine}' where id = '${id}'`,
      ]),
    ).toMatchObject(CHECK);
    expect(
      await fleet.attempt([
        `insert into instance (id, pool, placement, sighted_at, changed_by, changed_at)
          values ('${id}', 'guests', 'here', now(), 'me', now())
          on conflict (id) do update set condemned_at = excluded.condemned_at, machine_id = '${machine}'`,
      ]),
    ).toMatchObject(CHECK);
  });

  test('that is adopted is condemned with its machine, and given to no other', async () => {
    const [machine, other] = [await fleet.machine(), await fleet.machine()];
    const id = await fleet.instance({ machine_id: machine });
    expect(
      await fleet.attempt([`update instance set machine_id = '${other}' where id = '${id}'`]),
    ).toMatchObject(CHECK);
    await fleet.run(`update instance set condemned_at = $2 where id = $1`, [id, condemned_at]);
    expect(
      await fleet.attempt([`update instance set machine_id = '${other}' where id = '${id}'`]),
    ).toMatchObject(CHECK);
  });

  test('is the only one of its machine', async () => {
    const machine_id = await fleet.machine();
    await fleet.instance({ machine_id });
    await expect(fleet.instance({ machine_id })).rejects.toMatchObject({ code: '23505' });
  });

  test('is named by one machine, for as long as that is there', async () => {
    const [machine, other] = [await fleet.machine({ instance_id: 'i-one' }), await fleet.machine()];
    expect(
      await fleet.attempt([`update machine set instance_id = 'i-one' where id = '${other}'`]),
    ).toMatchObject(UNIQUE);
    expect(
      await fleet.attempt([`update machine set instance_id = null where id = '${machine}'`]),
    ).toMatchObject(CHECK);
    expect(
      await fleet.attempt([`update machine set instance_id = 'i-two' where id = '${machine}'`]),
    ).toMatchObject(CHECK);
  });
});

describe('a batch', () => {
  test('is there for as long as it has not ended, since its members wait for it', async () => {
    const id = await fleet.batch({ state: 'sent' });
    expect(await fleet.attempt([`delete from batch where id = '${id}'`])).toMatchObject(CHECK);
    expect(await fleet.attempt([`truncate batch cascade`])).toMatchObject(CHECK);
    await fleet.run(`update batch set state = 'ended', ended_at = now() where id = $1`, [id]);
    expect(await fleet.run(`delete from batch where id = $1 returning id`, [id])).toEqual([{ id }]);
  });
});

describe('a lane', () => {
  test('is held by one batch', async () => {
    await fleet.batch({ lane: 'one', holds_lane: true, state: 'sent' });
    await expect(fleet.batch({ lane: 'one', holds_lane: true, state: 'sent' })).rejects.toMatchObject({
      code: '23505',
    });
  });

  test('has one open batch of a kind to join', async () => {
    await fleet.batch({ lane: 'two' });
    await expect(fleet.batch({ lane: 'two' })).rejects.toMatchObject({ code: '23505' });
    await fleet.batch({ lane: 'two', filled: true });
    await fleet.batch({ lane: 'two', grp: 'another' });
  });
});
