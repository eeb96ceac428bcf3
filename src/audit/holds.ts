import { isLeaseEnd, isLeaseHolding } from './designed-lifecycle.ts';
import type { LeaseRecord, MachineRecord } from './history.ts';

/** One lease's hold on a machine, as the machine's rows tell it. */
export interface Hold {
  machine: string;
  lease: string | null;
  leased: MachineRecord;
  /** Index of `leased` in the machine's records. */
  leasedIndex: number;
  /** The claim of its stop; null where none was written. */
  stopping: MachineRecord | null;
  /** null where the machine was not released before the history's end or before it was leased again. */
  released: MachineRecord | null;
  releasedIndex: number | null;
}

/** The same hold as the lease's rows tell it. */
export interface LeaseHold {
  lease: string;
  machine: string | null;
  begin: LeaseRecord;
  /** The record of its final state; null while it holds. */
  end: LeaseRecord | null;
}

/** The holds on one machine, from its records in their order. */
export function findHolds(records: readonly MachineRecord[]): Hold[] {
  const holds: Hold[] = [];
  let open: Hold | undefined;
  let previous: MachineRecord | undefined;
  for (const [index, record] of records.entries()) {
    if (isBeginning(record, previous)) {
      open = beginHold(record, index);
      holds.push(open);
    } else if (open !== undefined) {
      if (record.to === 'stopping') open.stopping ??= record;
      if (record.to === 'released') {
        open.released = record;
        open.releasedIndex = index;
        open = undefined;
      }
    }
    previous = record;
  }
  return holds;
}

/** The hold of one lease, from its records in their order; undefined for one that never became active. */
export function findLeaseHold(records: readonly LeaseRecord[]): LeaseHold | undefined {
  const start = records.findIndex((record) => isLeaseHolding(record.to));
  const begin = records[start];
  if (begin === undefined) return undefined;
  const end = records.slice(start).find((record) => isLeaseEnd(record.to)) ?? null;
  return { lease: begin.lease, machine: begin.machine, begin, end };
}

function isBeginning(record: MachineRecord, previous: MachineRecord | undefined): boolean {
  if (record.to !== 'leased') return false;
  return previous?.to !== 'leased' || previous.lease !== record.lease;
}

function beginHold(leased: MachineRecord, leasedIndex: number): Hold {
  return {
    machine: leased.machine,
    lease: leased.lease,
    leased,
    leasedIndex,
    stopping: null,
    released: null,
    releasedIndex: null,
  };
}
