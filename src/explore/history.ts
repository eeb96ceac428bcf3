import type { BatchMember } from '../fleet/provider.ts';

/** What a run tells of itself, in the shapes of docs/history.md. */
export type HistoryEntry =
  | MachineEntry
  | LeaseEntry
  | BatchEntry
  | InstanceEntry
  | OwedEntry
  | CallEntry
  | EffectEntry
  | AckEntry
  | StaleWriteEntry
  | SettingsEntry
  | EndEntry;

interface Commit {
  seq: number;
  /** Milliseconds, as every time in a history. */
  committedAt: number;
  at: number;
}

export interface MachineEntry extends Commit {
  type: 'machine';
  machine: string;
  pool: string;
  placement: string;
  from: string | null;
  to: string;
  token: number;
  intent: string | null;
  intentKind: string | null;
  lease: string | null;
  batch: string | null;
  instance: string | null;
  clean: boolean;
  deadlineAt: number | null;
  by: string;
}

export interface LeaseEntry extends Commit {
  type: 'lease';
  lease: string;
  pool: string | null;
  from: string | null;
  to: string;
  machine: string | null;
  outcome: string | null;
  deadlineAt: number | null;
}

export interface BatchEntry extends Commit {
  type: 'batch';
  batch: string;
  lane: string;
  verb: string;
  state: 'open' | 'closed' | 'sent' | 'ended';
  token: number;
}

export interface InstanceEntry extends Commit {
  type: 'instance';
  instance: string;
  pool: string;
  batch: string | null;
  machine: string | null;
  condemned: boolean;
  gone: 'listed-gone' | 'absent-from-listing' | null;
}

export interface OwedEntry {
  type: 'owed';
  at: number;
  machine: string;
  step: string;
  since: number;
  live: boolean;
  rung: boolean;
}

export interface CallEntry {
  type: 'call';
  cloud: string;
  at: number;
  answeredAt: number;
  requestId: string;
  operation: string;
  verb: 'launch' | 'start' | 'stop' | 'reset' | 'delete' | 'read' | 'other';
  instances: NonNullable<BatchMember['instance']>[];
  unaddressed: boolean;
  token: string | null;
  status: number;
  code: string | null;
  fault: string | null;
}

export interface EffectEntry {
  type: 'effect';
  cloud: string;
  at: number;
  instance: string;
  effect: 'launched' | 'running' | 'stopped' | 'started' | 'reset' | 'deleted' | 'evicted';
  requestId: string | null;
}

export interface AckEntry {
  type: 'ack';
  at: number;
  lease: string;
  state: string;
}

export interface StaleWriteEntry {
  type: 'stale-write';
  at: number;
  machine: string;
  token: number;
  currentToken: number;
  changedRows: number;
}

export interface SettingsEntry {
  type: 'settings';
  reconcileRoundMs: number;
  limits: Record<string, number>;
}

export interface EndEntry {
  type: 'end';
  at: number;
  cloud: { instances: string[]; disks: CloudPart[]; networkCards: CloudPart[]; addresses: CloudPart[] };
  machines: { machine: string; instance: string | null; state: string }[];
  leases: { lease: string; state: string; readable: boolean }[];
}

interface CloudPart {
  id: string;
  instance: string | null;
}
