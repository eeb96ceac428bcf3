import { describe, expect, test } from 'vitest';
import {
  BATCHED_STATES,
  HELD_STATES,
  INTENT_KINDS,
  type IntentKind,
  LEASE_NEXT,
  LEASE_STATES,
  MACHINE_STATES,
  type MachineState,
  mayBecome,
  mayReplace,
  NEXT,
  OPENS_IN,
  OWED,
  type Step,
  STEPS,
  stepsOwed,
} from '../../src/fleet/lifecycle.ts';
import { DEADLINES_DEFAULT } from '../../src/fleet/pool.ts';
import { DONE_STATE } from '../../src/storage/settle-members.ts';
import { RECOVERY } from '../../src/storage/recover.ts';

const PAIRS = MACHINE_STATES.flatMap((state) => INTENT_KINDS.map((kind) => ({ state, kind })));
const lasting = MACHINE_STATES.filter((state) => NEXT[state].length > 0);
const isHeld = (state: MachineState) => (HELD_STATES as readonly MachineState[]).includes(state);

/** Every state that some path of legal moves leads to. */
function reachable<State extends string>(next: Record<State, readonly State[]>, from: State): Set<State> {
  const found = new Set([from]);
  for (const state of found) for (const to of next[state]) found.add(to);
  return found;
}

describe('the machine’s states', () => {
  test('are all reached from the wish, and all lead to the end', () => {
    expect([...reachable<MachineState>(NEXT, 'requested')].toSorted()).toEqual(MACHINE_STATES.toSorted());
    for (const state of MACHINE_STATES) expect(reachable<MachineState>(NEXT, state)).toContain('deleted');
    expect(NEXT.deleted).toEqual([]);
  });

  test('may become what the table names and nothing else', () => {
    for (const from of MACHINE_STATES) {
      for (const to of MACHINE_STATES) {
        expect([from, to, mayBecome(from, to)]).toEqual([from, to, NEXT[from].some((each) => each === to)]);
      }
    }
  });

  test('have a deadline and a named recovery until they are final', () => {
    // A lease's own clocks end a hold: its longest duration is its machine's deadline.
    expect([...Object.keys(DEADLINES_DEFAULT), 'leased'].toSorted()).toEqual(lasting.toSorted());
    expect(Object.values(DEADLINES_DEFAULT).filter((ms) => !(ms > 0))).toEqual([]);
    expect(Object.keys(RECOVERY).toSorted()).toEqual(lasting.toSorted());
  });

  test('of a hold are left by the release alone', () => {
    const left = HELD_STATES.flatMap((from) =>
      NEXT[from].filter((to) => !isHeld(to)).map((to) => [from, to]),
    );
    expect(left).toEqual([['stopped', 'released']]);
    const entered = MACHINE_STATES.filter((from) => !isHeld(from) && mayBecome(from, 'leased'));
    expect(entered).toEqual(['ready']);
  });

  test('reach ready through a probe alone, and a lease through ready alone', () => {
    expect(MACHINE_STATES.filter((from) => mayBecome(from, 'ready'))).toEqual(['booting']);
    expect(MACHINE_STATES.filter((from) => mayBecome(from, 'leased'))).toEqual(['ready']);
  });

  test('that may wait for a call are those that a call’s outcome leaves', () => {
    const batched: readonly MachineState[] = BATCHED_STATES;
    for (const to of Object.values(DONE_STATE)) {
      expect(batched.some((from) => from === to || mayBecome(from, to))).toBe(true);
    }
    for (const state of [
      'ready',
      'leased',
      'stopped',
      'released',
      'parked',
      'quarantined',
      'deleted',
    ] as const) {
      expect(batched).not.toContain(state);
    }
  });
});

/** The states that a step's claim or commit may take a machine to. */
const LEADS_TO: Record<Step, readonly MachineState[]> = {
  provision: ['provisioning', 'booting', 'resetting', 'ready'],
  stop: ['stopping', 'stopped'],
  release: ['released'],
  delete: ['deleting', 'deleted'],
};

const OWING = PAIRS.filter(({ state, kind }) => OWED[state][kind] !== undefined);

test('a machine owes no steps where the table names none', () => {
  const nothing = PAIRS.filter((pair) => !OWING.includes(pair));
  expect(nothing.flatMap(({ state, kind }) => stepsOwed(state, kind))).toEqual([]);
});

describe.each(OWING)('a machine that is $state with an intent to $kind', ({ state, kind }) => {
  const steps = stepsOwed(state, kind);
  const first = steps[0] ?? 'nothing';

  test('owes first what the table says, and then the rest in order', () => {
    expect(first).toBe(OWED[state][kind]);
    const order: readonly Step[] = ['stop', 'release', 'provision', 'delete'];
    expect(steps).toEqual(order.filter((step) => steps.includes(step)));
  });

  test('can do what it owes from where it stands', () => {
    const to = first === 'nothing' ? [] : LEADS_TO[first];
    expect(to.filter((each) => mayBecome(state, each))).not.toEqual([]);
  });
});

test.each(OWING.filter(({ state }) => isHeld(state)))(
  'a machine that is $state with an intent to $kind owes its release before its end or its cleaning',
  ({ state, kind }) => {
    const steps = stepsOwed(state, kind);
    const before = steps.slice(0, steps.indexOf('release') + 1);
    expect(before).toEqual(state === 'stopped' ? ['release'] : ['stop', 'release']);
  },
);

describe('an intent', () => {
  test('opens only where something is then owed', () => {
    for (const kind of INTENT_KINDS) {
      for (const state of OPENS_IN[kind]) expect([kind, state, OWED[state][kind]]).not.toContain(undefined);
    }
  });

  test('to retire opens wherever there is something to delete', () => {
    expect(OPENS_IN.retire).toEqual(
      MACHINE_STATES.filter((state) => state !== 'requested' && state !== 'deleted'),
    );
  });

  test('is replaced by a harsher one alone, and by nothing once it is to retire', () => {
    const replaces = Object.fromEntries(
      INTENT_KINDS.map((open) => [open, INTENT_KINDS.filter((kind) => mayReplace(open, kind))]),
    );
    expect(replaces).toEqual({
      provision: ['retire'],
      recycle: ['park', 'quarantine', 'retire'],
      park: ['quarantine', 'retire'],
      quarantine: ['retire'],
      retire: [],
    } satisfies Record<IntentKind, IntentKind[]>);
  });
});

describe('the lease’s states', () => {
  const final = LEASE_STATES.filter((state) => LEASE_NEXT[state].length === 0);

  test('end in exactly the five outcomes, each reached from a request', () => {
    expect(final.toSorted()).toEqual(['cancelled', 'completed', 'expired', 'failed', 'lost']);
    const found = reachable<(typeof LEASE_STATES)[number]>(LEASE_NEXT, 'pending');
    expect([...found].toSorted()).toEqual(LEASE_STATES.toSorted());
  });

  test('never go from a hold to an end but through ending', () => {
    expect(LEASE_NEXT.active).toEqual(['ending']);
    expect(LEASE_NEXT.ending.toSorted()).toEqual(final.toSorted());
  });
});

test('every step is owed by some machine', () => {
  const owed = new Set(PAIRS.map(({ state, kind }) => OWED[state][kind]));
  expect(STEPS.filter((step) => !owed.has(step))).toEqual([]);
});
