import { expect } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import type { HistoryRecord } from '../../src/audit/history.ts';
import { INVARIANTS, type InvariantId, type Violation } from '../../src/audit/verdict.ts';
import { EPOCH } from './history-writer.ts';
import { soundHistory } from './sound-history.ts';

type OfType<T extends HistoryRecord['type']> = Extract<HistoryRecord, { type: T }>;

/** Fields that a record must have; `time` is its `at` in milliseconds after the story's beginning. */
type Where<T extends HistoryRecord['type']> = { type: T; time?: number } & Partial<Omit<OfType<T>, 'type'>>;

export interface BrokenHistory {
  /** Changes every record that fits. Fails where none does: the test would prove nothing. */
  change<T extends HistoryRecord['type']>(where: Where<T>, changes: Partial<OfType<T>>): BrokenHistory;
  /** Moves every record that fits to another time. */
  move<T extends HistoryRecord['type']>(where: Where<T>, time: number): BrokenHistory;
  remove<T extends HistoryRecord['type']>(where: Where<T>): BrokenHistory;
  add(...records: HistoryRecord[]): BrokenHistory;
  /** A copy of the first record that fits, with changes, and the `seq` that its commit time asks for. */
  repeat<T extends HistoryRecord['type']>(where: Where<T>, changes: Partial<OfType<T>>): BrokenHistory;
  records: HistoryRecord[];
}

/** The sound history, to be broken. */
export function breakHistory(records: HistoryRecord[] = soundHistory()): BrokenHistory {
  const find = <T extends HistoryRecord['type']>(where: Where<T>): HistoryRecord[] => {
    const found = records.filter((record) => fits(record, where));
    if (found.length === 0) throw new Error(`No record fits ${JSON.stringify(where)}.`);
    return found;
  };
  const broken: BrokenHistory = {
    records,
    change(where, changes) {
      for (const record of find(where)) Object.assign(record, changes);
      return broken;
    },
    move(where, time) {
      for (const record of find(where)) Object.assign(record, timesAt(record, time));
      return broken;
    },
    remove(where) {
      for (const record of find(where)) records.splice(records.indexOf(record), 1);
      return broken;
    },
    add(...more) {
      records.push(...more);
      return broken;
    },
    repeat(where, changes) {
      const [record] = find(where);
      if (record === undefined) throw new Error('nothing to repeat');
      const copy = Object.assign(structuredClone(record), changes);
      if ('seq' in copy) copy.seq = lastSeqBy(records, copy.committedAt) + 0.5;
      records.push(copy);
      return broken;
    },
  };
  return broken;
}

/**
 * Audits a broken history: the invariant fires, and beyond it none but those named.
 * Returns the invariant's violations.
 */
export function expectViolation(
  broken: BrokenHistory,
  invariant: InvariantId,
  alsoAllowed: readonly InvariantId[] = [],
): Violation[] {
  const { violations } = audit(broken.records);
  const fired = new Set(violations.map((violation) => violation.invariant));
  expect([...fired]).toContain(invariant);
  expect([...fired].filter((each) => each !== invariant && !alsoAllowed.includes(each))).toEqual([]);
  const found = violations.filter((violation) => violation.invariant === invariant);
  for (const { records, message } of found) {
    expect(records.length).toBeGreaterThan(0);
    expect(message).not.toMatch(/undefined|NaN|\[object/);
  }
  return found;
}

/** The invariants that a broken history violates, in their order. */
export function firedBy({ records }: BrokenHistory): InvariantId[] {
  const fired = new Set(audit(records).violations.map(({ invariant }) => invariant));
  return INVARIANTS.filter((id) => fired.has(id));
}

/** The times of a record that is written at this many milliseconds after the story's beginning. */
export function timesAt(record: HistoryRecord, time: number): { at: number; committedAt?: number } {
  return 'committedAt' in record
    ? { at: EPOCH + time, committedAt: EPOCH + time + 0.25 }
    : { at: EPOCH + time };
}

function lastSeqBy(records: readonly HistoryRecord[], committedAt: number): number {
  const seqs = records.map((each) => ('seq' in each && each.committedAt <= committedAt ? each.seq : 0));
  return Math.max(0, ...seqs);
}

function fits(
  record: HistoryRecord,
  { time, ...fields }: Record<string, unknown> & { time?: number },
): boolean {
  if (time !== undefined && (!('at' in record) || record.at !== EPOCH + time)) return false;
  const values = new Map<string, unknown>(Object.entries(record));
  return Object.entries(fields).every(([field, value]) => values.get(field) === value);
}
