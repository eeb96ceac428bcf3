import { HistoryError } from './history-error.ts';
import type {
  AckRecord,
  BatchRecord,
  CallRecord,
  EffectRecord,
  EndRecord,
  HistoryRecord,
  InstanceRecord,
  LeaseRecord,
  MachineRecord,
  OwedRecord,
  SettingsRecord,
  StaleWriteRecord,
} from './history.ts';
import { findHolds, findLeaseHold, type Hold, type LeaseHold } from './holds.ts';
import { bySeq, sortByTime } from './order.ts';

/** A history put in order and indexed; the same whatever order its records came in. */
export interface Timeline {
  reconcileRoundMs: number;
  limits: ReadonlyMap<string, number>;
  /** The last moment the history knows of: nothing can be asked for after it. */
  endsAt: number;
  /** Records of one row by `seq`. */
  machines: ReadonlyMap<string, readonly MachineRecord[]>;
  leases: ReadonlyMap<string, readonly LeaseRecord[]>;
  instances: ReadonlyMap<string, readonly InstanceRecord[]>;
  batches: ReadonlyMap<string, readonly BatchRecord[]>;
  /** By time. */
  calls: readonly CallRecord[];
  callOf(effect: EffectRecord): CallRecord | undefined;
  effects: readonly EffectRecord[];
  effectsOn: ReadonlyMap<string, readonly EffectRecord[]>;
  /** The machines that ever had this instance. A cloud never gives an instance's id to another one. */
  ownersOf: ReadonlyMap<string, ReadonlySet<string>>;
  instancesOf: ReadonlyMap<string, ReadonlySet<string>>;
  /** By machine, in their order; no entry for a machine that was never leased. */
  holds: ReadonlyMap<string, readonly Hold[]>;
  /** The hold on a lease's machine that the machine's rows tell for this lease. */
  holdOf(told: LeaseHold): Hold | undefined;
  /** By lease. */
  leaseHolds: ReadonlyMap<string, LeaseHold>;
  acks: readonly AckRecord[];
  looks: readonly OwedRecord[];
  staleWrites: readonly StaleWriteRecord[];
  ends: readonly EndRecord[];
}

type Sorted = { [T in HistoryRecord['type']]: Extract<HistoryRecord, { type: T }>[] };

/** Indexes a history in O(n log n). Throws HistoryError where it lacks what every verdict needs. */
export function createTimeline(records: Iterable<HistoryRecord>): Timeline {
  const all = [...records];
  const sorted = sortByType(all);
  const machines = groupBy(sorted.machine.toSorted(bySeq), (record) => record.machine);
  const leases = groupBy(sorted.lease.toSorted(bySeq), (record) => record.lease);
  const effects = sortByTime(sorted.effect, (each) => `${each.instance} ${each.effect} ${each.requestId}`);
  const calls = sortByTime(sorted.call, (call) => `${call.cloud} ${call.requestId}`);
  const owners = indexOwners(sorted);
  return {
    ...readSettings(sorted),
    endsAt: all.reduce((latest, record) => Math.max(latest, timeOf(record)), -Infinity),
    machines,
    leases,
    instances: groupBy(sorted.instance.toSorted(bySeq), (record) => record.instance),
    batches: groupBy(sorted.batch.toSorted(bySeq), (record) => record.batch),
    calls,
    callOf: createCallIndex(calls),
    effects,
    effectsOn: groupBy(effects, (effect) => effect.instance),
    ...owners,
    ...indexHolds(machines),
    leaseHolds: indexLeaseHolds(leases),
    acks: sortByTime(sorted.ack, (ack) => `${ack.lease} ${ack.state}`),
    looks: sortByTime(sorted.owed, (look) => `${look.machine} ${look.step} ${look.live} ${look.rung}`),
    staleWrites: sortByTime(sorted['stale-write'], (write) => `${write.machine} ${write.token}`),
    ends: sortByTime(sorted.end, () => ''),
  };
}

function sortByType(records: readonly HistoryRecord[]): Sorted {
  const sorted: Sorted = {
    machine: [],
    lease: [],
    call: [],
    effect: [],
    ack: [],
    owed: [],
    settings: [],
    instance: [],
    end: [],
    batch: [],
    'stale-write': [],
  };
  for (const record of records) {
    if (!Object.hasOwn(sorted, record.type)) {
      throw new HistoryError(`A history record has the unknown type ${JSON.stringify(record.type)}.`);
    }
    const list: HistoryRecord[] = sorted[record.type];
    list.push(record);
  }
  return sorted;
}

/** Several settings records are allowed (a limit that was raised): the most generous figure is the one that binds. */
function readSettings(sorted: Sorted): Pick<Timeline, 'reconcileRoundMs' | 'limits'> {
  if (sorted.settings.length === 0) {
    throw new HistoryError('The history has no settings record: write one with reconcileRoundMs and limits.');
  }
  const limits = new Map<string, number>();
  for (const [pool, limit] of sorted.settings.flatMap((settings) => Object.entries(settings.limits))) {
    limits.set(pool, Math.max(limit, limits.get(pool) ?? -Infinity));
  }
  for (const { pool } of [...sorted.machine, ...sorted.instance]) {
    if (!limits.has(pool)) {
      throw new HistoryError(`The settings record gives no limit for pool ${pool}: add it to limits.`);
    }
  }
  return { reconcileRoundMs: longestRound(sorted.settings), limits };
}

function longestRound(settings: readonly SettingsRecord[]): number {
  return settings.reduce((longest, each) => Math.max(longest, each.reconcileRoundMs), 0);
}

function timeOf(record: HistoryRecord): number {
  if (record.type === 'settings') return -Infinity;
  return 'committedAt' in record ? record.committedAt : record.at;
}

function groupBy<T>(records: readonly T[], keyOf: (record: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const record of records) {
    const group = groups.get(keyOf(record));
    if (group === undefined) groups.set(keyOf(record), [record]);
    else group.push(record);
  }
  return groups;
}

/** Where two requests share an id, the earlier one is meant: it is the harder one to excuse. */
function createCallIndex(calls: readonly CallRecord[]): Timeline['callOf'] {
  const byId = new Map<string, CallRecord>();
  for (const call of calls) {
    const key = `${call.cloud} ${call.requestId}`;
    if (!byId.has(key)) byId.set(key, call);
  }
  return ({ cloud, requestId }) => (requestId === null ? undefined : byId.get(`${cloud} ${requestId}`));
}

function indexOwners(sorted: Sorted): Pick<Timeline, 'ownersOf' | 'instancesOf'> {
  const ownersOf = new Map<string, Set<string>>();
  const instancesOf = new Map<string, Set<string>>();
  for (const { machine, instance } of [...sorted.machine, ...sorted.instance]) {
    if (machine === null || instance === null) continue;
    addTo(ownersOf, instance, machine);
    addTo(instancesOf, machine, instance);
  }
  return { ownersOf, instancesOf };
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function indexHolds(machines: Timeline['machines']): Pick<Timeline, 'holds' | 'holdOf'> {
  const holds = new Map<string, Hold[]>();
  const byLease = new Map<string, Hold>();
  for (const [machine, records] of machines) {
    const found = findHolds(records);
    if (found.length > 0) holds.set(machine, found);
    for (const hold of found) byLease.set(`${machine} ${hold.lease}`, hold);
  }
  return { holds, holdOf: ({ machine, lease }) => byLease.get(`${machine} ${lease}`) };
}

function indexLeaseHolds(leases: Timeline['leases']): Map<string, LeaseHold> {
  const holds = new Map<string, LeaseHold>();
  for (const [lease, records] of leases) {
    const hold = findLeaseHold(records);
    if (hold !== undefined) holds.set(lease, hold);
  }
  return holds;
}
