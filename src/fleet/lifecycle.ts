/**
 * A machine's states and what each may become. The one table from which come the types, the SQL trigger and
 * generated columns, the tests of all pairs and the picture in ARCHITECTURE.md.
 */
export const MACHINE_STATES = [
  'requested',
  'provisioning',
  'booting',
  'ready',
  'leased',
  'stopping',
  'stopped',
  'released',
  'resetting',
  'parked',
  'quarantined',
  'deleting',
  'deleted',
] as const;

export type MachineState = (typeof MACHINE_STATES)[number];

export const NEXT = {
  requested: ['provisioning', 'deleted'],
  provisioning: ['booting', 'deleting'],
  booting: ['ready', 'deleting'],
  ready: ['leased', 'stopping', 'deleting'],
  leased: ['stopping', 'stopped'],
  stopping: ['stopped'],
  stopped: ['released'],
  released: ['resetting', 'parked', 'quarantined', 'deleting'],
  resetting: ['booting', 'deleting'],
  parked: ['resetting', 'booting', 'deleting'],
  quarantined: ['deleting'],
  deleting: ['deleted'],
  deleted: [],
} as const satisfies Record<MachineState, readonly MachineState[]>;

/** States in which a lease's hold keeps its machine: the foreign key's slot exists only in these. */
export const HELD_STATES = ['leased', 'stopping', 'stopped'] as const satisfies readonly MachineState[];

/** States in which a machine may be a member of a batch: where its next state waits for a cloud call. */
export const BATCHED_STATES = [
  'requested',
  'provisioning',
  'booting',
  'stopping',
  'resetting',
  'deleting',
] as const satisfies readonly MachineState[];

/** From the mildest to the harshest: an open intent is replaced only by one further right. */
export const INTENT_KINDS = ['provision', 'recycle', 'park', 'quarantine', 'retire'] as const;
export type IntentKind = (typeof INTENT_KINDS)[number];

export const STEPS = ['provision', 'stop', 'release', 'delete'] as const;
export type Step = (typeof STEPS)[number];

type Owed = Partial<Record<IntentKind, Step>>;
const ALL_STOP: Owed = { recycle: 'stop', park: 'stop', quarantine: 'stop', retire: 'stop' };
const ALL_RELEASE: Owed = { recycle: 'release', park: 'release', quarantine: 'release', retire: 'release' };

/** The step a machine owes next, by its state and its open intent; no entry means that nothing is owed. */
export const OWED: Record<MachineState, Owed> = {
  requested: { provision: 'provision' },
  provisioning: { provision: 'provision', retire: 'delete' },
  booting: { provision: 'provision', recycle: 'provision', retire: 'delete' },
  ready: { park: 'stop', quarantine: 'stop', retire: 'delete' },
  leased: ALL_STOP,
  stopping: ALL_STOP,
  stopped: ALL_RELEASE,
  released: { recycle: 'provision', retire: 'delete' },
  resetting: { provision: 'provision', recycle: 'provision', retire: 'delete' },
  parked: { provision: 'provision', retire: 'delete' },
  quarantined: { retire: 'delete' },
  deleting: { retire: 'delete' },
  deleted: {},
};

/** States in which an intent of this kind may be opened, or may replace a milder one. */
export const OPENS_IN: Record<IntentKind, readonly MachineState[]> = {
  provision: ['parked'],
  recycle: ['leased'],
  park: ['ready', 'leased', 'stopping', 'stopped'],
  quarantine: ['ready', 'leased', 'stopping', 'stopped'],
  retire: MACHINE_STATES.filter((state) => state !== 'deleted' && state !== 'requested'),
};

/** The steps an intent still owes from this state on, in their order: the nodes of its flow. */
export function stepsOwed(state: MachineState, kind: IntentKind): readonly Step[] {
  const first = OWED[state][kind];
  if (first === undefined) return [];
  const whole = WHOLE[kind];
  return whole.slice(whole.indexOf(first));
}

/**
 * How long the job of a deletion is delayed once the release before it is done. Whoever released the machine claims it
 * for its deletion at once, without waiting for that job, which is woken when the deletion is done. Where nobody has
 * claimed it, the job does so after this time.
 */
export const HANDED_OVER_MS = 2000;

/** True for the step that whoever releases a machine claims along with it: nothing of its job is left to do then. */
export function isHandedOver(step: Step, before: Step | undefined): boolean {
  return before === 'release' && step === 'delete';
}

const WHOLE: Record<IntentKind, readonly Step[]> = {
  provision: ['provision'],
  recycle: ['stop', 'release', 'provision'],
  park: ['stop', 'release'],
  quarantine: ['stop', 'release'],
  retire: ['stop', 'release', 'delete'],
};

export const LEASE_STATES = [
  'pending',
  'active',
  'ending',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'lost',
] as const;
export type LeaseState = (typeof LEASE_STATES)[number];
export type LeaseOutcome = 'completed' | 'failed' | 'cancelled' | 'expired' | 'lost';

export const LEASE_NEXT = {
  pending: ['active', 'failed', 'cancelled'],
  active: ['ending'],
  ending: ['completed', 'failed', 'cancelled', 'expired', 'lost'],
  completed: [],
  failed: [],
  cancelled: [],
  expired: [],
  lost: [],
} as const satisfies Record<LeaseState, readonly LeaseState[]>;

/** True where the table allows this move. */
export function mayBecome(from: MachineState, to: MachineState): boolean {
  return (NEXT[from] as readonly MachineState[]).includes(to);
}

/** True where `kind` may replace `open` on one machine: intents only escalate, a provision only to a retire. */
export function mayReplace(open: IntentKind, kind: IntentKind): boolean {
  if (open === 'provision') return kind === 'retire';
  return kind !== 'provision' && INTENT_KINDS.indexOf(kind) > INTENT_KINDS.indexOf(open);
}
