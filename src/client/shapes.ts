/* What goes over the wire: instants are ISO 8601, durations seconds. /openapi.json says the same. */

export type LeaseState =
  | 'pending'
  | 'active'
  | 'ending'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'expired'
  | 'lost';

export interface Lease {
  id: string;
  owner: string;
  state: LeaseState;
  /** How it ended or, while ending, will end. */
  outcome: string | null;
  reason: string | null;
  pools: string[];
  pool: string | null;
  machine: string | null;
  /** Where its machine is reached, once it is active. */
  address: string | null;
  priority: number;
  requestedAt: string;
  activeAt: string | null;
  endedAt: string | null;
  deadlineAt: string | null;
  heartbeatTimeoutSeconds: number;
  maxDurationSeconds: number;
  onLost: 'fail' | 'retry';
  /** 0 where `onLost` is fail. */
  maxRetries: number;
  /** How many leases before it were lost for the same request. */
  retries: number;
  /** The lost lease it takes the place of. */
  retryOf: string | null;
  /** The lease that takes its place, once it is lost. */
  retriedBy: string | null;
}

/** A pool by name, or what its machines must have. */
export interface LeaseRequest {
  pool?: string;
  platform?: string;
  arch?: string;
  tags?: string[];
  /** Higher goes first. */
  priority?: number;
  waitTimeoutSeconds?: number;
  heartbeatTimeoutSeconds?: number;
  maxDurationSeconds?: number;
  /** What follows where its machine is lost: nothing, or another lease of the same request. */
  onLost?: 'fail' | 'retry';
  /** How often at most, with `onLost: 'retry'`. */
  maxRetries?: number;
}

export interface Pool {
  name: string;
  platform: string;
  arch: string;
  tags: string[];
  minIdle: number;
  max: number;
  idleTimeoutSeconds: number;
  recycle: 'reset' | 'delete';
  halt: 'power-off' | 'none';
  maxUses: number | null;
  owner: 'file' | 'api';
  draining: boolean;
  placements: { name: string; provider: string }[];
  /** By state. */
  machines: Record<string, number>;
  /** By state; pending ones are those it could serve. */
  leases: Record<string, number>;
  machineHours: MachineHours;
  /** Sweeps that found more than they end unasked. */
  haltedSweeps: HaltedSweep[];
  /** What no instance has any more and is being deleted. */
  leftOvers: LeftOver[];
}

export interface MachineHours {
  /** How long machines have existed since midnight UTC, in hours. */
  today: number;
  /** Nothing is launched once it is reached; null for no limit. */
  maxPerDay: number | null;
  reachedAt: string | null;
}

export interface FleetMachineHours extends MachineHours {
  resetsAt: string;
}

export interface Freeze {
  verb: 'launch' | 'delete';
  since: string;
  by: string;
}

export interface LeftOver {
  placement: string;
  kind: 'disk' | 'network-card' | 'address';
  /** The cloud's id. */
  id: string;
  since: string;
  /** How often its deletion was asked for. */
  tries: number;
  nextAt: string | null;
  /** Why the last try failed. */
  failure: string | null;
}

export interface HaltedSweep {
  placement: string;
  since: string;
  why: string;
  /** How many instances and machines a confirmation must allow. */
  count: number;
}

export interface Machine {
  id: string;
  pool: string;
  placement: string;
  state: string;
  stateSince: string;
  deadlineAt: string | null;
  intent: { id: string; kind: string } | null;
  owed: string | null;
  lease: string | null;
  instance: string | null;
  address: string | null;
  clean: boolean;
  halted: boolean;
  uses: number;
  batch: string | null;
  fencingToken: number;
  claimedUntil: string | null;
  claimedBy: string | null;
  failures: number;
  failure: string | null;
  /** Where its cloud refuses to delete it. */
  setAside: SetAside | null;
}

export interface SetAside {
  since: string;
  /** How often its deletion was refused. */
  refusals: number;
  /** What the cloud said last. */
  reason: string;
  /** null while it is being tried again. */
  nextTryAt: string | null;
}

export interface TimelineEntry {
  at: string;
  from: string | null;
  to: string;
  by: string;
  fencingToken: number;
  intentKind: string | null;
  lease: string | null;
  reason: string | null;
}

export interface Status {
  version: string;
  now: string;
  pools: Pool[];
  machineHours: FleetMachineHours;
  machineCounts: Record<string, number>;
  leaseCounts: Record<string, number>;
  freezes: Freeze[];
  /** The first 50 of those that cannot be deleted. */
  setAside: Machine[];
  machines: Machine[];
  leases: Lease[];
}

export interface LeaseFilter {
  state?: LeaseState;
  pool?: string;
  limit?: number;
  /** `next` of the page before. */
  cursor?: string;
}

export interface MachineFilter {
  state?: string;
  pool?: string;
  setAside?: boolean;
  limit?: number;
  cursor?: string;
}
