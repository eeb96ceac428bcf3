/**
 * The history: one JSON object a line, in any order; the auditor sorts. Times are milliseconds since the epoch.
 * It is written down here and nowhere imported by what it judges: whoever writes a history writes these shapes.
 */
export type HistoryRecord =
  | MachineRecord
  | LeaseRecord
  | CallRecord
  | EffectRecord
  | AckRecord
  | OwedRecord
  | SettingsRecord
  | InstanceRecord
  | EndRecord
  | BatchRecord
  | StaleWriteRecord;

/** A machine's row after a write that changed it, in the order of its commits. */
export interface MachineRecord {
  type: 'machine';
  /** Rises with every write of one database; orders the writes of one machine. */
  seq: number;
  /** When the transaction committed (pg_xact_commit_timestamp). */
  committedAt: number;
  /** The `now` that the writer used. */
  at: number;
  machine: string;
  pool: string;
  placement: string;
  /** null on the row's first record. */
  from: string | null;
  to: string;
  token: number;
  intent: string | null;
  intentKind: string | null;
  lease: string | null;
  batch: string | null;
  /** The cloud's id of its instance, once it has one. */
  instance: string | null;
  clean: boolean;
  /** When this state is overdue; null in final states. */
  deadlineAt: number | null;
  /** The job or process that wrote, for people. */
  by: string;
}

/** A lease's row after a write that changed its state or its deadline (a heartbeat that moves `deadlineAt` is one). */
export interface LeaseRecord {
  type: 'lease';
  seq: number;
  committedAt: number;
  at: number;
  lease: string;
  pool: string | null;
  from: string | null;
  to: string;
  machine: string | null;
  outcome: string | null;
  deadlineAt: number | null;
}

/** A cloud call as the cloud (or its emulator) received and answered it. */
export interface CallRecord {
  type: 'call';
  cloud: string;
  /** When the request had arrived. */
  at: number;
  /** When its answer was made, where the writer knows; the auditor otherwise allows for a slow answer. */
  answeredAt?: number;
  requestId: string;
  operation: string;
  /** What the call does in drover's words. */
  verb: 'launch' | 'start' | 'stop' | 'reset' | 'delete' | 'read' | 'other';
  instances: string[];
  /** True where the call names no instance although it acts on existing ones: it would then mean "all". */
  unaddressed: boolean;
  token: string | null;
  status: number;
  code: string | null;
  fault: string | null;
}

export interface EffectRecord {
  type: 'effect';
  cloud: string;
  at: number;
  instance: string;
  effect: 'launched' | 'running' | 'stopped' | 'started' | 'reset' | 'deleted' | 'evicted';
  requestId: string | null;
}

/** What a client was told about a lease, as it received it. */
export interface AckRecord {
  type: 'ack';
  at: number;
  lease: string;
  state: string;
}

/** One look, in one reconcile round, at machines that owe a step: is there a live job for it? */
export interface OwedRecord {
  type: 'owed';
  at: number;
  machine: string;
  step: string;
  /** Since when the machine has owed this step without a live claim or batch. */
  since: number;
  live: boolean;
  /** True where this look has rung the step again. */
  rung: boolean;
}

export interface SettingsRecord {
  type: 'settings';
  /** The longest time between two reconcile rounds that the deployment promises, in milliseconds. */
  reconcileRoundMs: number;
  /** Pool name to the most machines it may have at once, instances without a machine included. */
  limits: Record<string, number>;
}

/** The row of one cloud instance after a write. */
export interface InstanceRecord {
  type: 'instance';
  seq: number;
  committedAt: number;
  at: number;
  instance: string;
  pool: string;
  batch: string | null;
  machine: string | null;
  condemned: boolean;
  /** Why we believe that it exists no more: the listing or answer that said so; null while it may exist. */
  gone: 'listed-gone' | 'absent-from-listing' | null;
}

export interface BatchRecord {
  type: 'batch';
  seq: number;
  committedAt: number;
  at: number;
  batch: string;
  lane: string;
  verb: string;
  state: 'open' | 'closed' | 'sent' | 'ended';
  token: number;
}

/** A write that carried an old fencing token, and how many rows it changed (it must be none). */
export interface StaleWriteRecord {
  type: 'stale-write';
  at: number;
  machine: string;
  token: number;
  currentToken: number;
  changedRows: number;
}

/** What cloud and database held after quiet. */
export interface EndRecord {
  type: 'end';
  at: number;
  /** Everything of this installation that still exists in the clouds, by kind. */
  cloud: { instances: string[]; disks: CloudPart[]; networkCards: CloudPart[]; addresses: CloudPart[] };
  /** Machines that are not deleted, with their instance. */
  machines: { machine: string; instance: string | null; state: string }[];
  leases: { lease: string; state: string; readable: boolean }[];
}

/** A disk, network card or address; only with its instance can be told whether it has an owner. */
export interface CloudPart {
  id: string;
  /** The cloud's id of the instance it belongs to; null where it hangs on nothing. */
  instance: string | null;
}
