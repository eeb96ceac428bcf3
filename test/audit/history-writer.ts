import type {
  BatchRecord,
  CallRecord,
  EffectRecord,
  HistoryRecord,
  InstanceRecord,
  LeaseRecord,
  MachineRecord,
} from '../../src/audit/history.ts';

export const EPOCH = 1_760_000_000_000;
export const ROUND_MS = 30_000;
export const CLOUD = 'aws';

/** What a write may leave out: it then stays as the row's last record had it. */
type Changes<T> = Partial<Omit<T, 'type' | 'seq' | 'committedAt' | 'from'>>;

export interface HistoryWriter {
  records: HistoryRecord[];
  /** Times are milliseconds after the story's beginning. `deadlineAt` is five minutes later where none is given. */
  machine(machine: string, at: number, changes: Changes<MachineRecord> & { to: string }): void;
  lease(lease: string, at: number, changes: Changes<LeaseRecord> & { to: string }): void;
  instance(instance: string, at: number, changes: Changes<InstanceRecord>): void;
  batch(batch: string, at: number, changes: Changes<BatchRecord>): void;
  call(requestId: string, at: number, changes: Partial<CallRecord>): void;
  effect(instance: string, at: number, changes: Pick<EffectRecord, 'effect' | 'requestId'>): void;
  add(record: HistoryRecord): void;
}

const PATIENCE_MS = 300_000;

/** Writes histories the way a database and a cloud would: each row goes on from its last record. */
export function createHistoryWriter(): HistoryWriter {
  const records: HistoryRecord[] = [];
  const machines = new Map<string, MachineRecord>();
  const leases = new Map<string, LeaseRecord>();
  const instances = new Map<string, InstanceRecord>();
  const batches = new Map<string, BatchRecord>();
  let seq = 0;
  const commit = (at: number) => {
    seq += 1;
    return { seq, at: EPOCH + at, committedAt: EPOCH + at + 0.25 };
  };
  const keep = <T extends HistoryRecord>(rows: Map<string, T>, name: string, record: T): void => {
    rows.set(name, record);
    records.push(record);
  };
  return {
    records,
    machine(machine, at, changes) {
      const last = machines.get(machine) ?? newMachine(machine);
      const from = machines.has(machine) ? last.to : null;
      const deadlineAt = changes.to === 'deleted' ? null : EPOCH + at + PATIENCE_MS;
      keep(machines, machine, { ...last, deadlineAt, ...changes, ...commit(at), from });
    },
    lease(lease, at, changes) {
      const last = leases.get(lease) ?? newLease(lease);
      const from = leases.has(lease) ? last.to : null;
      const deadlineAt = ['pending', 'active', 'ending'].includes(changes.to)
        ? EPOCH + at + PATIENCE_MS
        : null;
      keep(leases, lease, { ...last, deadlineAt, ...changes, ...commit(at), from });
    },
    instance(instance, at, changes) {
      const last = instances.get(instance) ?? newInstance(instance);
      keep(instances, instance, { ...last, ...changes, ...commit(at) });
    },
    batch(batch, at, changes) {
      keep(batches, batch, { ...(batches.get(batch) ?? newBatch(batch)), ...changes, ...commit(at) });
    },
    call: (requestId, at, changes) =>
      void records.push({ ...newCall(requestId), ...changes, at: EPOCH + at }),
    effect: (instance, at, changes) =>
      void records.push({ type: 'effect', cloud: CLOUD, at: EPOCH + at, instance, ...changes }),
    add: (record) => void records.push(record),
  };
}

function newMachine(machine: string): MachineRecord {
  return {
    type: 'machine',
    seq: 0,
    committedAt: 0,
    at: 0,
    machine,
    pool: 'sandbox',
    placement: 'eu-west-1a',
    from: null,
    to: 'requested',
    token: 0,
    intent: null,
    intentKind: null,
    lease: null,
    batch: null,
    instance: null,
    clean: false,
    deadlineAt: null,
    by: 'test',
  };
}

function newLease(lease: string): LeaseRecord {
  return {
    type: 'lease',
    seq: 0,
    committedAt: 0,
    at: 0,
    lease,
    pool: 'sandbox',
    from: null,
    to: 'pending',
    machine: null,
    outcome: null,
    deadlineAt: null,
  };
}

function newInstance(instance: string): InstanceRecord {
  return {
    type: 'instance',
    seq: 0,
    committedAt: 0,
    at: 0,
    instance,
    pool: 'sandbox',
    batch: null,
    machine: null,
    condemned: false,
    gone: null,
  };
}

function newBatch(batch: string): BatchRecord {
  return {
    type: 'batch',
    seq: 0,
    committedAt: 0,
    at: 0,
    batch,
    lane: 'aws launch',
    verb: 'launch',
    state: 'open',
    token: 1,
  };
}

function newCall(requestId: string): CallRecord {
  return {
    type: 'call',
    cloud: CLOUD,
    at: 0,
    requestId,
    operation: requestId,
    verb: 'other',
    instances: [],
    unaddressed: false,
    token: null,
    status: 200,
    code: null,
    fault: null,
  };
}
