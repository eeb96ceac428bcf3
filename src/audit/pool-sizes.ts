import { MACHINE_END } from './designed-lifecycle.ts';
import type { InstanceRecord, MachineRecord } from './history.ts';
import { byCommit } from './order.ts';
import type { Timeline } from './timeline.ts';

type Row = MachineRecord | InstanceRecord;

/** A commit by which a pool grew. */
export interface Growth {
  pool: string;
  committedAt: number;
  /** Machines that are not deleted, and instances that no machine of their batch is waiting for. */
  size: number;
  /** The pool's writes of this commit. */
  records: Row[];
}

/**
 * The commits by which pools grew, in the order of commits. Writes with one commit time count together: within a
 * transaction an instance may be written down before its machine takes it. An instance without a machine is surplus
 * as far as its batch has more of them than members that still wait for theirs; the others are counted already, as
 * the machines that wait. A condemned one is surplus in any case: no member may take it.
 */
export function findGrowth(timeline: Timeline): Growth[] {
  const rows: Row[] = [];
  for (const records of timeline.machines.values()) rows.push(...records);
  for (const records of timeline.instances.values()) rows.push(...records);
  const pools = new Map<string, Pool>();
  const growths: Growth[] = [];
  let commit = new Map<string, Row[]>();
  let committedAt: number | undefined;
  for (const row of rows.toSorted(byCommit)) {
    if (row.committedAt !== committedAt) growths.push(...closeCommit(pools, commit));
    if (row.committedAt !== committedAt) commit = new Map<string, Row[]>();
    committedAt = row.committedAt;
    const sameCommit = commit.get(row.pool);
    if (sameCommit === undefined) commit.set(row.pool, [row]);
    else sameCommit.push(row);
  }
  growths.push(...closeCommit(pools, commit));
  return growths;
}

function closeCommit(pools: Map<string, Pool>, commit: ReadonlyMap<string, Row[]>): Growth[] {
  const growths: Growth[] = [];
  for (const [name, records] of commit) {
    const pool = pools.get(name) ?? createPool();
    pools.set(name, pool);
    const before = pool.size();
    for (const record of records) pool.apply(record);
    const committedAt = records[0]?.committedAt ?? 0;
    if (pool.size() > before) growths.push({ pool: name, committedAt, size: pool.size(), records });
  }
  return growths;
}

interface Pool {
  apply(row: Row): void;
  size(): number;
}

/** What one row adds to its pool. */
interface Part {
  seq: number;
  machine: number;
  batch: string | null;
  /** Members of the batch that wait for an instance. */
  waiting: number;
  /** Instances without a machine. */
  unowned: number;
}

function createPool(): Pool {
  const parts = new Map<string, Part>();
  const batches = new Map<string | null, { waiting: number; unowned: number }>();
  let machines = 0;
  let surplus = 0;
  const add = (part: Part, sign: 1 | -1): void => {
    machines += sign * part.machine;
    const batch = batches.get(part.batch) ?? { waiting: 0, unowned: 0 };
    batches.set(part.batch, batch);
    surplus -= Math.max(0, batch.unowned - batch.waiting);
    batch.waiting += sign * part.waiting;
    batch.unowned += sign * part.unowned;
    surplus += Math.max(0, batch.unowned - batch.waiting);
  };
  return {
    apply(row) {
      const key = row.type === 'machine' ? `machine ${row.machine}` : `instance ${row.instance}`;
      const old = parts.get(key);
      if (old !== undefined && old.seq > row.seq) return;
      if (old !== undefined) add(old, -1);
      const part = row.type === 'machine' ? machinePart(row) : instancePart(row);
      parts.set(key, part);
      add(part, 1);
    },
    size: () => machines + surplus,
  };
}

function machinePart(row: MachineRecord): Part {
  const exists = row.to !== MACHINE_END;
  const isWaiting = exists && row.instance === null && row.batch !== null;
  return { seq: row.seq, machine: Number(exists), batch: row.batch, waiting: Number(isWaiting), unowned: 0 };
}

function instancePart(row: InstanceRecord): Part {
  const isUnowned = row.machine === null && row.gone === null;
  const batch = row.condemned ? null : row.batch;
  return { seq: row.seq, machine: 0, batch, waiting: 0, unowned: Number(isUnowned) };
}
