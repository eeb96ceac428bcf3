import type { LeftOver } from '../fleet/provider.ts';
import {
  type CondemnedLeftOver,
  LEFT_OVER_PAUSE_MS,
  LEFT_OVERS_A_SWEEP,
  LEFT_OVERS_SHOWN,
  type LeftOverRefusedAct,
  type SweepAct,
} from '../fleet/reconcile-acts.ts';
import type { Row, Sql } from './database.ts';

/** Writes down what a listing leaves over, forgets what it no longer does; answers how many are now to be condemned. */
export async function sightLeftOvers(sql: Sql, act: SweepAct, settledBefore: Date): Promise<number> {
  const listed = [JSON.stringify(act.leftOvers), ...placeOf(act)];
  await sql.query(FORGET, listed);
  await sql.query(SIGHT, [...listed, act.now]);
  const [row] = await sql.query(SETTLED, [...placeOf(act), settledBefore]);
  return row?.['count'] as number;
}

const LISTED = `jsonb_to_recordset($1::jsonb) as l (kind text, id text)`;

const FORGET = `delete from left_over o where o.pool = $2 and o.placement = $3
  and not exists (select from ${LISTED} where l.id = o.id)`;

const SIGHT = `insert into left_over (pool, placement, id, kind, sighted_at)
  select $2, $3, l.id, l.kind, $4 from ${LISTED} order by l.id on conflict do nothing`;

const IS_SETTLED = `pool = $1 and placement = $2 and condemned_at is null and sighted_at <= $3`;
const SETTLED = `select count(*)::integer as count from left_over where ${IS_SETTLED}`;

/** Condemns what has been seen for long enough; answers whatever is condemned there and due to be deleted. */
export async function condemnLeftOvers(
  sql: Sql,
  act: SweepAct,
  settledBefore: Date,
): Promise<readonly LeftOver[]> {
  await sql.query(CONDEMN, [...placeOf(act), settledBefore, act.now, act.by]);
  const { first, most } = LEFT_OVER_PAUSE_MS;
  const due = await sql.query(TAKE_DUE, [...placeOf(act), act.now, first, most, LEFT_OVERS_A_SWEEP]);
  return due.map(toLeftOver).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

const CONDEMN = `with condemned as (
    update left_over set condemned_at = $4 where ${IS_SETTLED} returning kind, id
  )
  insert into audit (at, by, what, subject, detail)
    select $4, $5, 'left-over-condemned', id, jsonb_build_object('pool', $1::text, 'placement', $2::text, 'kind', kind)
    from condemned`;

/** The freeze's row is locked, as a batch that closes locks it: a freeze waits for this, or this for the freeze. */
const TAKE_DUE = `with thawed as materialized (
    select verb from frozen where verb = 'delete' and frozen_at is null for share
  ),
  due as materialized (
    select pool, placement, id from left_over, thawed
    where pool = $1 and placement = $2 and condemned_at is not null and (next_at is null or next_at <= $3)
    order by id limit $6
  )
  update left_over o set tries = o.tries + 1,
    next_at = $3::timestamptz + interval '1 millisecond' * least($4::integer * 2.0 ^ least(o.tries, 20), $5::integer)
  from due d where o.pool = d.pool and o.placement = d.placement and o.id = d.id
  returning o.kind, o.id`;

function toLeftOver(row: Row): LeftOver {
  return { kind: row['kind'] as LeftOver['kind'], id: row['id'] as string };
}

export async function leftOverRefused(sql: Sql, { placement, id, why }: LeftOverRefusedAct): Promise<void> {
  await sql.query(REFUSED, [placement.pool, placement.name, id, why]);
}

const REFUSED = `update left_over set failure = $4
  where pool = $1 and placement = $2 and id = $3 and condemned_at is not null`;

export async function condemnedLeftOvers(sql: Sql): Promise<readonly CondemnedLeftOver[]> {
  const rows = await sql.query(CONDEMNED, [LEFT_OVERS_SHOWN]);
  return rows.map((row) => ({
    ...toLeftOver(row),
    ...{ pool: row['pool'] as string, placement: row['placement'] as string },
    ...{ since: row['condemned_at'] as Date, tries: row['tries'] as number },
    ...{ nextAt: row['next_at'] as Date | null, failure: row['failure'] as string | null },
  }));
}

const CONDEMNED = `select * from left_over where condemned_at is not null
  order by condemned_at, pool, placement, id limit $1`;

function placeOf({ placement }: SweepAct): [string, string] {
  return [placement.pool, placement.name];
}
