import type { BellRow, MachineRow } from './rows.ts';
import type { Tables } from './tables.ts';

type Ringing = BellRow extends infer Row
  ? Row extends BellRow
    ? Omit<Row, 'id' | 'n' | 'dueAt' | 'tries'>
    : never
  : never;

/** Writes down, in the act that makes it necessary, what the queues are to be told. */
export function ring(tables: Tables, bell: Ringing, now: Date): void {
  const n = tables.count();
  tables.bells.put({ ...bell, id: String(n), n, dueAt: now, tries: 0 });
}

/** A new intent: the flow of the steps it owes. */
export function ringFlow(tables: Tables, machine: MachineRow, now: Date): void {
  const { id, pool, intent } = machine;
  if (intent !== null) ring(tables, { kind: 'flow', machine: id, pool, intent }, now);
}

/** A job that waits for what has just been done. */
export function wake(tables: Tables, job: string, now: Date): void {
  ring(tables, { kind: 'wake', job }, now);
}

/** The job of the open intent's flow for a step, where somebody else has done it. */
export function wakeFlow(
  tables: Tables,
  from: { step: string; intent: string | null; by: string; now: Date },
): void {
  const job = `${from.step}.${from.intent}.0`;
  if (from.by !== job) wake(tables, job, from.now);
}

/** The jobs that may wait for a member of a batch: the one that claimed it, and its open intent's. */
export function wakeWaiting(tables: Tables, machine: MachineRow, now: Date): void {
  const jobs = new Set<string>();
  if (machine.claimedBy !== null) jobs.add(machine.claimedBy);
  if (machine.owed !== null) jobs.add(`${machine.owed}.${machine.intent}.0`);
  for (const job of jobs) wake(tables, job, now);
}
