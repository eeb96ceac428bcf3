import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  LEASE_NEXT,
  LEASE_STATES,
  type LeaseState,
  MACHINE_STATES,
  type MachineState,
  NEXT,
} from '../../src/fleet/lifecycle.ts';
import { isHeld, openRawFleet, type RawFleet, refused } from './raw-fleet.ts';

let fleet: RawFleet;
beforeAll(async () => {
  fleet = await openRawFleet();
});
afterAll(() => fleet.close());
beforeEach(() => fleet.begin());
afterEach(() => fleet.undo());

const OUTCOMES: readonly LeaseState[] = ['completed', 'failed', 'cancelled', 'expired', 'lost'];

/** Columns that leave the state as the only thing that can be wrong with a row. */
function columnsOf(state: MachineState): { lease_id: string | null; clean: boolean } {
  return { lease_id: state === 'leased' ? randomUUID() : null, clean: true };
}

function mayMove(from: MachineState, to: MachineState): boolean {
  return from === to || (NEXT[from] as readonly MachineState[]).includes(to);
}

describe.each(MACHINE_STATES)('a machine that is %s', (from) => {
  test.each(MACHINE_STATES.filter((to) => mayMove(from, to)))('may become %s', async (to) => {
    const id = await fleet.machine({ state: from, ...columnsOf(from) });
    const update = `update machine set state = $2, lease_id = $3, clean = true where id = $1 returning state`;
    expect(await fleet.run(update, [id, to, columnsOf(to).lease_id])).toEqual([{ state: to }]);
  });

  test.each(MACHINE_STATES.filter((to) => !mayMove(from, to)))('never becomes %s', async (to) => {
    const id = await fleet.machine({ state: from, ...columnsOf(from) });
    const lease = to === 'leased' ? `'${randomUUID()}'` : 'null';
    expect(
      await fleet.attempt([
        `update machine set state = '${to}', lease_id = ${lease}, clean = true where id = '${id}'`,
      ]),
    ).toMatchObject(refused('23514'));
  });
});

/** What an ending lease shows is what it becomes: for each pair it shows the state it is to move to. */
function leaseColumns(state: LeaseState, to: LeaseState): { outcome: string | null } {
  if (state === 'pending' || state === 'active') return { outcome: null };
  if (state !== 'ending') return { outcome: state };
  return { outcome: OUTCOMES.includes(to) ? to : 'completed' };
}

function mayEnd(from: LeaseState, to: LeaseState): boolean {
  return from === to || (LEASE_NEXT[from] as readonly LeaseState[]).includes(to);
}

async function aLeaseIn(from: LeaseState, to: LeaseState): Promise<string> {
  const machine = await fleet.machine({ state: 'stopped' });
  return fleet.lease({ state: from, machine_id: machine, ...leaseColumns(from, to) });
}

describe.each(LEASE_STATES)('a lease that is %s', (from) => {
  test.each(LEASE_STATES.filter((to) => mayEnd(from, to)))('may become %s', async (to) => {
    const id = await aLeaseIn(from, to);
    const { outcome } = from === to ? leaseColumns(from, to) : leaseColumns(to, to);
    const shown = from === 'ending' ? leaseColumns(from, to).outcome : outcome;
    const update = `update lease set state = $2, outcome = $3 where id = $1 returning state, outcome`;
    expect(await fleet.run(update, [id, to, shown])).toEqual([{ state: to, outcome: shown }]);
  });

  test.each(LEASE_STATES.filter((to) => !mayEnd(from, to)))('never becomes %s', async (to) => {
    const id = await aLeaseIn(from, to);
    const outcome = leaseColumns(to, to).outcome;
    const shown = outcome === null ? 'null' : `'${outcome}'`;
    const spellings = [
      `update lease set state = '${to}' where id = '${id}'`,
      `update lease set state = '${to}', outcome = ${shown} where id = '${id}'`,
      `update lease set state = '${to}', outcome = ${shown}, machine_id = null where id = '${id}'`,
    ];
    for (const spelling of spellings) expect(await fleet.attempt([spelling])).toMatchObject(refused('23514'));
  });
});

const HOLDS = MACHINE_STATES.filter(isHeld).flatMap((state) => [
  { state, lease: 'active' as const },
  { state, lease: 'ending' as const },
]);

/** Where a held machine goes on to while its lease keeps it. */
const WITHIN_HOLD: Partial<Record<MachineState, readonly MachineState[]>> = {
  leased: ['stopping', 'stopped'],
  stopping: ['stopped'],
  stopped: [],
};

describe.each(HOLDS)('a machine that is $state under a lease that is $lease', ({ state, lease }) => {
  const leaving = MACHINE_STATES.filter((to) => !isHeld(to));

  test.each(leaving)('never becomes %s, with its lease named or not', async (to) => {
    const ids = await fleet.held(state, lease);
    // The order of states refuses it, or else the lease that references its slot.
    const expected = (NEXT[state] as readonly MachineState[]).includes(to) ? '23503' : '23514';
    const set = `update machine set state = '${to}'`;
    expect(await fleet.attempt([`${set}, lease_id = null where id = '${ids.machine}'`])).toMatchObject(
      refused(expected),
    );
    expect(await fleet.attempt([`${set} where id = '${ids.machine}'`])).toMatchObject(refused('23514'));
  });

  test('may go on within its hold', async () => {
    const ids = await fleet.held(state, lease);
    const onward = (NEXT[state] as readonly MachineState[]).filter(isHeld);
    for (const to of onward) {
      await fleet.run(`update machine set state = $2 where id = $1`, [ids.machine, to]);
      const rows = await fleet.run(`select state from machine where id = $1`, [ids.machine]);
      expect(rows).toEqual([{ state: to }]);
    }
    expect(onward).toEqual(WITHIN_HOLD[state]);
  });
});
