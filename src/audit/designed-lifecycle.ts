/**
 * The lifecycle as the design has it, written out a second time on purpose: the auditor shares no code with what it
 * judges, so a slip in the program's own table shows up here as an illegal move.
 */
const MACHINE_MOVES: Readonly<Record<string, readonly string[]>> = {
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
};

const LEASE_MOVES: Readonly<Record<string, readonly string[]>> = {
  pending: ['active', 'failed', 'cancelled'],
  active: ['ending'],
  ending: ['completed', 'failed', 'cancelled', 'expired', 'lost'],
};

const LEASE_ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired', 'lost']);

/** The end of a machine; every other state has a deadline. */
export const MACHINE_END = 'deleted';

/** States whose entry is a claim: someone's fencing token from there on. */
export const CLAIMED_STATES: ReadonlySet<string> = new Set(['leased', 'stopping', 'resetting', 'deleting']);

/** Kinds of open intent under which no lease may begin. */
export const BARRING_INTENTS: ReadonlySet<string> = new Set(['recycle', 'park', 'quarantine', 'retire']);

/** States that exist only with an instance in the cloud. */
export const EMBODIED_STATES: ReadonlySet<string> = new Set([
  'booting',
  'ready',
  'leased',
  'stopping',
  'stopped',
  'released',
  'resetting',
  'parked',
  'quarantined',
]);

/** What an open intent may be replaced by: only by something harsher. */
const HARSHER: Readonly<Record<string, readonly string[]>> = {
  provision: ['retire'],
  recycle: ['park', 'quarantine', 'retire'],
  park: ['quarantine', 'retire'],
  quarantine: ['retire'],
  retire: [],
};

/** The states whose entry closes an intent of this kind. A quarantine never closes: it becomes a retire. */
const CLOSES_AT: Readonly<Record<string, readonly string[]>> = {
  provision: ['ready', 'deleted'],
  recycle: ['ready'],
  park: ['parked'],
  quarantine: [],
  retire: ['deleted'],
};

/** True where the design lets a machine go from one state to the other; `from` is null for a new row. */
export function mayMachineMove(from: string | null, to: string): boolean {
  return from === null ? to === 'requested' : (MACHINE_MOVES[from]?.includes(to) ?? false);
}

/** True where the design lets a lease go from one state to the other; `from` is null for a new row. */
export function mayLeaseMove(from: string | null, to: string): boolean {
  return from === null ? to === 'pending' : (LEASE_MOVES[from]?.includes(to) ?? false);
}

export function isLeaseEnd(state: string): boolean {
  return LEASE_ENDS.has(state);
}

/** True while a lease holds its machine. */
export function isLeaseHolding(state: string): boolean {
  return state === 'active' || state === 'ending';
}

export function isHarsher(kind: string, open: string): boolean {
  return HARSHER[open]?.includes(kind) ?? false;
}

/** True where a machine that is now in `state` may have its intent of this kind closed. */
export function mayClose(kind: string, state: string): boolean {
  return CLOSES_AT[kind]?.includes(state) ?? false;
}
