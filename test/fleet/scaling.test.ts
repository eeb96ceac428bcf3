import { describe, expect, test } from 'vitest';
import type { IntentKind, MachineState } from '../../src/fleet/lifecycle.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import { COMING, planScaling, type ScalingAction } from '../../src/fleet/scaling.ts';
import type { Machine, PoolView } from '../../src/fleet/store.ts';
import { aPool } from '../support/pools.ts';

const now = new Date('2030-01-01T12:00:00Z');
const ago = (ms: number) => new Date(now.getTime() - ms);
const IDLE_MS = 60_000;

type Brief = readonly [state: MachineState, intent?: IntentKind | undefined, idleMs?: number];

function aMachine([state, kind, idleMs = 0]: Brief, index: number): Machine {
  const intentKind = kind ?? null;
  return {
    ...{ id: `m${index}`, pool: 'guests', placement: 'here', state, token: index },
    ...{ intent: intentKind === null ? null : `i${index}`, intentKind, stateSince: ago(idleMs) },
    ...{ claimedUntil: null, claimedBy: null, batch: null, lease: null, instance: null, address: null },
    ...{
      clean: true,
      halted: false,
      uses: 0,
      owed: null,
      ring: 0,
      deadlineAt: null,
      failures: 0,
      failure: null,
      refusals: 0,
      refusedSince: null,
    },
  };
}

interface Case {
  machines?: readonly Brief[];
  pending?: number;
  unowned?: number;
  pool?: Partial<Pool>;
  coolUntil?: Record<string, Date>;
  hoursReached?: boolean;
}

/** What a view tells of machines, by the same rules as stores tell it. */
function standing(machines: readonly Machine[]): Pick<PoolView, 'machines' | 'coming' | 'resting'> {
  const intents: readonly (IntentKind | null)[] = COMING.intents;
  const states: readonly MachineState[] = COMING.states;
  const coming = machines.filter(
    (machine) => intents.includes(machine.intentKind) && states.includes(machine.state),
  );
  const resting = machines.filter(
    ({ intent, state }) => intent === null && (state === 'ready' || state === 'parked'),
  );
  return {
    machines: machines.length,
    coming: coming.length,
    resting: resting.toSorted((a, b) => a.stateSince.getTime() - b.stateSince.getTime()),
  };
}

function plan(given: Case): readonly ScalingAction[] {
  const view: PoolView = {
    pool: aPool({ idleTimeoutMs: IDLE_MS, ...given.pool }),
    version: 1,
    ...standing((given.machines ?? []).map(aMachine)),
    unowned: given.unowned ?? 0,
    pending: given.pending ?? 0,
    hoursReached: given.hoursReached ?? false,
    coolUntil: given.coolUntil ?? {},
  };
  return planScaling(view, now);
}

/** Short names of what is to be done: `+2 here`, `wake m0`, `retire m1`. */
function said(actions: readonly ScalingAction[]): string[] {
  return actions.map((action) => {
    if (action.kind === 'provision') return `+${action.count} ${action.placement}`;
    return `${action.kind === 'unpark' ? 'wake' : 'retire'} ${action.machine}`;
  });
}

const places = (...names: string[]) =>
  names.map((name) => ({ pool: 'guests', name, provider: 'memory', spec: {} }));

const GROWTH: readonly (readonly [title: string, given: Case, expected: readonly string[]])[] = [
  ['an empty pool that nobody asks for stays empty', {}, []],
  ['each pending request gets a machine', { pending: 3 }, ['+3 here']],
  ['idle machines are kept waiting', { pool: { minIdle: 2 } }, ['+2 here']],
  ['idle machines are kept besides those asked for', { pending: 3, pool: { minIdle: 2 } }, ['+5 here']],
  ['a ready machine serves a request', { pending: 2, machines: [['ready']] }, ['+1 here']],
  [
    'a ready machine with an intent serves nobody',
    { pending: 1, machines: [['ready', 'retire']] },
    ['+1 here'],
  ],
  [
    'one burst is answered once: what is on its way counts',
    {
      pending: 4,
      machines: [
        ['requested', 'provision'],
        ['provisioning', 'provision'],
        ['booting', 'provision'],
        ['resetting', 'recycle'],
      ],
    },
    [],
  ],
  [
    'machines that will be cleaned for the next user count',
    {
      pending: 4,
      machines: [
        ['leased', 'recycle'],
        ['stopping', 'recycle'],
        ['stopped', 'recycle'],
        ['released', 'recycle'],
      ],
    },
    [],
  ],
  [
    'machines that will not come back do not',
    {
      pending: 1,
      machines: [
        ['leased'],
        ['leased', 'retire'],
        ['stopping', 'park'],
        ['stopped', 'quarantine'],
        ['booting', 'retire'],
        ['deleting', 'retire'],
        ['quarantined', 'quarantine'],
      ],
    },
    ['+1 here'],
  ],
  [
    'a pool never grows beyond its size',
    { pending: 9, pool: { max: 3 }, machines: [['leased'], ['leased']] },
    ['+1 here'],
  ],
  ['a full pool does not grow', { pending: 9, pool: { max: 1 }, machines: [['leased']] }, []],
  [
    'instances that nobody owns count against the size',
    { pending: 9, pool: { max: 3 }, unowned: 2 },
    ['+1 here'],
  ],
  [
    'a pool that is over its size gives nothing back for it',
    { pending: 9, pool: { max: 1 }, unowned: 3 },
    [],
  ],
  [
    'parked machines are woken first',
    { pending: 3, machines: [['parked'], ['parked']] },
    ['wake m0', 'wake m1', '+1 here'],
  ],
  ['no more are woken than are missing', { pending: 1, machines: [['parked'], ['parked']] }, ['wake m0']],
  [
    'a full pool still wakes its parked machines',
    { pending: 2, pool: { max: 1 }, machines: [['parked']] },
    ['wake m0'],
  ],
  [
    'a pool that has used up its machine-hours wakes its parked machines, and launches none',
    { pending: 3, hoursReached: true, machines: [['parked']] },
    ['wake m0'],
  ],
  [
    'a parked machine that is being woken counts, and is woken once',
    { pending: 1, machines: [['parked', 'provision']] },
    [],
  ],
  [
    'a parked machine that is to go is not woken',
    { pending: 1, machines: [['parked', 'retire']] },
    ['+1 here'],
  ],
];

const PLACING: typeof GROWTH = [
  [
    'the first placement is preferred',
    { pending: 1, pool: { placements: places('near', 'far') } },
    ['+1 near'],
  ],
  [
    'a placement that refused is left alone for its while',
    {
      pending: 1,
      pool: { placements: places('near', 'far') },
      coolUntil: { near: new Date(now.getTime() + 1) },
    },
    ['+1 far'],
  ],
  [
    'and is tried again after it',
    { pending: 1, pool: { placements: places('near', 'far') }, coolUntil: { near: now } },
    ['+1 near'],
  ],
  [
    'where all are cooling, parked machines are still woken',
    {
      pending: 2,
      machines: [['parked']],
      pool: { placements: places('near') },
      coolUntil: { near: new Date(now.getTime() + 1) },
    },
    ['wake m0'],
  ],
  ['a pool without placements does not grow', { pending: 1, pool: { placements: [] } }, []],
];

const SHRINKING: typeof GROWTH = [
  ['a machine that has just become idle stays', { machines: [['ready', undefined, IDLE_MS - 1]] }, []],
  ['a machine idle for too long goes', { machines: [['ready', undefined, IDLE_MS]] }, ['retire m0']],
  [
    'idle machines that are to be kept stay for ever',
    { machines: [['ready', undefined, 1e9]], pool: { minIdle: 1 } },
    [],
  ],
  [
    'the longest idle go, the others stay',
    {
      machines: [
        ['ready', undefined, 2 * IDLE_MS],
        ['ready', undefined, 4 * IDLE_MS],
        ['ready', undefined, 3 * IDLE_MS],
      ],
      pool: { minIdle: 1 },
    },
    ['retire m1', 'retire m2'],
  ],
  [
    'a machine that somebody waits for stays',
    {
      machines: [
        ['ready', undefined, 2 * IDLE_MS],
        ['ready', undefined, 3 * IDLE_MS],
      ],
      pending: 1,
    },
    ['retire m1'],
  ],
  [
    'what is on its way lets nothing ready go that is to be kept',
    {
      machines: [
        ['ready', undefined, 9 * IDLE_MS],
        ['booting', 'provision'],
      ],
      pool: { minIdle: 1 },
    },
    [],
  ],
  ['a machine in use is nobody’s to retire', { machines: [['leased', undefined, 1e9]] }, []],
  ['a machine that is going already is not told twice', { machines: [['ready', 'retire', 1e9]] }, []],
  ['parked machines stay parked', { machines: [['parked', undefined, 1e9]] }, []],
];

const DRAINING: typeof GROWTH = [
  ['a draining pool never grows', { pending: 5, pool: { draining: true, minIdle: 3 } }, []],
  [
    'its idle machines go at once, however young, and its parked ones too',
    {
      machines: [['ready'], ['leased'], ['parked'], ['parked', 'retire'], ['booting', 'provision']],
      pool: { draining: true, minIdle: 3 },
    },
    ['retire m0', 'retire m2'],
  ],
];

describe('a pool grows', () => {
  test.each(GROWTH)('%s', (_, given, expected) => expect(said(plan(given))).toEqual(expected));
});

describe('a pool grows where it may', () => {
  test.each(PLACING)('%s', (_, given, expected) => expect(said(plan(given))).toEqual(expected));
});

describe('a pool shrinks', () => {
  test.each(SHRINKING)('%s', (_, given, expected) => expect(said(plan(given))).toEqual(expected));
});

describe('a pool drains', () => {
  test.each(DRAINING)('%s', (_, given, expected) => expect(said(plan(given))).toEqual(expected));
});

test('what is to be woken or retired is guarded by the token it was seen with, and says why', () => {
  const machines: Brief[] = [['leased'], ['ready', undefined, IDLE_MS]];
  expect(plan({ machines })).toEqual([{ kind: 'retire', machine: 'm1', token: 1, reason: 'idle' }]);
  const drained = plan({ machines, pool: { draining: true } });
  expect(drained).toEqual([{ kind: 'retire', machine: 'm1', token: 1, reason: 'pool drained' }]);
  expect(plan({ machines: [['leased'], ['parked']], pending: 1 })).toEqual([
    { kind: 'unpark', machine: 'm1', token: 1 },
  ]);
});
