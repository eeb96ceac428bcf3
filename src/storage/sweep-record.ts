import { confirmHalt, type SweepCounts, type SweepJudgement, type SweepRecord } from '../fleet/brakes.ts';
import type { ConfirmSweepAct, HaltedSweep, SweepAct } from '../fleet/reconcile-acts.ts';
import type { Row, Sql } from './database.ts';

/** Locks what is kept of a placement's sweeps until the transaction ends; undefined before the first of them. */
export async function lockRecord(
  sql: Sql,
  placement: { pool: string; name: string },
): Promise<SweepRecord | undefined> {
  const [row] = await sql.query(LOCK, [placement.pool, placement.name]);
  return toRecord(row);
}

/** Where there is no row yet two first sweeps would both find none: the insertion is what the second one waits for. */
const LOCK = `insert into sweep (pool, placement) values ($1, $2)
  on conflict (pool, placement) do update set placement = excluded.placement returning *`;

function toRecord(row: Row | undefined): SweepRecord | undefined {
  const listedAt = row?.['listed_at'] as Date | null | undefined;
  if (row === undefined || listedAt === null || listedAt === undefined) return undefined;
  const count = row['confirmed_count'] as number | null;
  const confirmed =
    count === null
      ? null
      : { count, until: row['confirmed_until'] as Date, by: row['confirmed_by'] as string };
  return { listedAt, halt: row['halted_at'] === null ? null : toHalt(row), confirmed };
}

function toHalt(row: Row) {
  const counts = row['halt_counts'] as SweepCounts;
  return { since: row['halted_at'] as Date, why: row['halt_why'] as string, counts };
}

/** What a sweep came to, and for people, where that is new, a row in the audit. */
export async function keepRecord(
  sql: Sql,
  { judgement, counts, act }: { judgement: SweepJudgement; counts: SweepCounts; act: SweepAct },
): Promise<void> {
  const { event, why } = judgement;
  const place = { pool: act.placement.pool, placement: act.placement.name };
  await write(sql, place, judgement.record);
  if (event === null) return;
  const detail = JSON.stringify({ ...place, ...counts, why });
  await sql.query(AUDIT, [act.now, act.by, event, `${place.pool}/${place.placement}`, detail]);
}

async function write(
  sql: Sql,
  place: { pool: string; placement: string },
  { listedAt, halt, confirmed }: SweepRecord,
): Promise<void> {
  const halted = halt === null ? NONE : [halt.since, halt.why, JSON.stringify(halt.counts)];
  const allowed = confirmed === null ? NONE : [confirmed.count, confirmed.until, confirmed.by];
  await sql.query(WRITE, [place.pool, place.placement, listedAt, ...halted, ...allowed]);
}

const NONE = [null, null, null];

const WRITE = `update sweep set listed_at = $3, halted_at = $4, halt_why = $5, halt_counts = $6,
    confirmed_count = $7, confirmed_until = $8, confirmed_by = $9
  where pool = $1 and placement = $2`;

/** Adds to what the sweeps of a placement have found so far; its record is locked. */
export async function addToTotals(
  sql: Sql,
  placement: { pool: string; name: string },
  found: { sighted?: number; condemned?: number; lost?: number },
): Promise<void> {
  const { sighted = 0, condemned = 0, lost = 0 } = found;
  if (sighted + condemned + lost === 0) return;
  await sql.query(ADD, [placement.pool, placement.name, sighted, condemned, lost]);
}

const ADD = `update sweep set sighted = sighted + $3, condemned = condemned + $4, lost = lost + $5
  where pool = $1 and placement = $2`;

const AUDIT = `insert into audit (at, by, what, subject, detail) values ($1, $2, $3, $4, $5)`;

export async function haltedSweeps(sql: Sql): Promise<readonly HaltedSweep[]> {
  const rows = await sql.query(HALTED, []);
  return rows.map((row) => ({
    ...{ pool: row['pool'] as string, placement: row['placement'] as string },
    ...toHalt(row),
  }));
}

const HALTED = `select * from sweep where halted_at is not null order by pool, placement`;

export async function confirmSweep(sql: Sql, act: ConfirmSweepAct): Promise<boolean> {
  const [row] = await sql.query(FIND, [act.pool, act.placement]);
  const confirmed = confirmHalt(toRecord(row), act);
  if (confirmed === undefined) return false;
  await write(sql, act, confirmed);
  const detail = JSON.stringify({ pool: act.pool, placement: act.placement, count: act.count });
  await sql.query(AUDIT, [act.now, act.by, 'sweep-confirmed', `${act.pool}/${act.placement}`, detail]);
  return true;
}

const FIND = `select * from sweep where pool = $1 and placement = $2 for update`;
