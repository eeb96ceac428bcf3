import type { MachineState } from '../../fleet/lifecycle.ts';
import type { Pool } from '../../fleet/pool.ts';

/** How long a lease may be ending: longer than its machine's stop and release, which have deadlines of their own. */
export const ENDING_MS = 15 * 60_000;

export function after(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}

/** When a state that begins now is overdue; null where the pool sets it no deadline. */
export function dueAt(now: Date, deadlines: Pool['deadlines'], state: MachineState): Date | null {
  const ms = deadlines[state];
  return ms === undefined ? null : after(now, ms);
}

export function isPast(at: Date | null, now: Date): boolean {
  return at !== null && at <= now;
}

/** True where nobody's claim stands: there is none, or its time is over. */
export function isFree(claimedUntil: Date | null, now: Date): boolean {
  return claimedUntil === null || claimedUntil <= now;
}

export function latestOf(...dates: readonly (Date | null)[]): Date {
  return new Date(Math.max(...dates.map((date) => date?.getTime() ?? 0)));
}

/** The least first; equal ones by id, so that every order is one order. */
export function byOrder<Row extends { id: string }>(
  keysOf: (row: Row) => readonly number[],
): (a: Row, b: Row) => number {
  return (a, b) => {
    const [left, right] = [keysOf(a), keysOf(b)];
    for (const [index, key] of left.entries()) {
      const other = right[index] ?? 0;
      if (key !== other) return key - other;
    }
    return a.id < b.id ? -1 : Number(a.id > b.id);
  };
}
