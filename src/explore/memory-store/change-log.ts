import type { Clock } from '../../fleet/ports.ts';
import type { HistoryEntry } from '../history.ts';
import type { BatchRow, InstanceRow, LeaseRow, MachineRow } from './rows.ts';

/** Writes down each row's changes in the shapes of the history: the same ones as the database's log keeps. */
export function createChangeLog(history: HistoryEntry[], clock: Clock) {
  let seq = 0;
  const commit = (changedAt: Date): Commit => {
    seq += 1;
    return { seq, committedAt: clock.now().getTime(), at: changedAt.getTime() };
  };
  return {
    machine(before: MachineRow | undefined, row: MachineRow): void {
      if (before !== undefined && MACHINE_LOGGED.every((field) => isSame(before[field], row[field]))) return;
      history.push(toMachineEntry(before, row, commit(row.changedAt)));
    },
    lease(before: LeaseRow | undefined, row: LeaseRow): void {
      if (before?.state === row.state && isSame(before.deadlineAt, row.deadlineAt)) return;
      history.push(toLeaseEntry(before, row, commit(row.changedAt)));
    },
    batch(before: BatchRow | undefined, row: BatchRow): void {
      if (before === undefined || (before.state === row.state && before.token === row.token)) return;
      const { lane, verb, state, token } = row;
      history.push({ type: 'batch', ...commit(row.changedAt), batch: row.id, lane, verb, state, token });
    },
    instance(row: InstanceRow): void {
      const { pool, batch, machine, gone } = row;
      const condemned = row.condemnedAt !== null;
      const entry = { instance: row.id, pool, batch, machine, condemned, gone };
      history.push({ type: 'instance', ...commit(row.changedAt), ...entry });
    },
  };
}

interface Commit {
  seq: number;
  committedAt: number;
  at: number;
}

const MACHINE_LOGGED = ['state', 'token', 'intent', 'lease', 'batch', 'instance', 'deadlineAt'] as const;

function isSame(one: unknown, other: unknown): boolean {
  return one instanceof Date && other instanceof Date ? one.getTime() === other.getTime() : one === other;
}

function toMachineEntry(before: MachineRow | undefined, row: MachineRow, commit: Commit): HistoryEntry {
  const { pool, placement, token, intent, intentKind, lease, batch, instance, clean } = row;
  return {
    ...{ type: 'machine', ...commit, machine: row.id, pool, placement },
    ...{
      from: before?.state ?? null,
      to: row.state,
      token,
      intent,
      intentKind,
      lease,
      batch,
      instance,
      clean,
    },
    ...{ deadlineAt: row.deadlineAt?.getTime() ?? null, by: row.changedBy },
  };
}

function toLeaseEntry(before: LeaseRow | undefined, row: LeaseRow, commit: Commit): HistoryEntry {
  const { pool, machine, outcome } = row;
  return {
    ...{ type: 'lease', ...commit, lease: row.id, pool, machine, outcome },
    ...{ from: before?.state ?? null, to: row.state, deadlineAt: row.deadlineAt?.getTime() ?? null },
  };
}
