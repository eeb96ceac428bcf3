import type { Freezable, Freeze, FreezeActs } from '../fleet/brakes.ts';
import type { Database, Sql } from './database.ts';

export function createFreezeActs(database: Database): FreezeActs {
  return {
    freezes: () => freezes(database),
    setFreeze: (act) => database.transaction((sql) => setFreeze(sql, act)),
  };
}

async function freezes(sql: Sql): Promise<readonly Freeze[]> {
  const rows = await sql.query(`select * from frozen where frozen_at is not null order by verb desc`, []);
  return rows.map((row) => ({
    ...{ verb: row['verb'] as Freezable, since: row['frozen_at'] as Date },
    by: row['frozen_by'] as string,
  }));
}

async function setFreeze(
  sql: Sql,
  { verbs, frozen, by, now }: Parameters<FreezeActs['setFreeze']>[0],
): Promise<readonly Freeze[]> {
  await sql.query(frozen ? FREEZE : UNFREEZE, [verbs, now, by]);
  return freezes(sql);
}

/** In one order, so that two operators at once wait for each other. */
const locked = (which: string): string =>
  `with mine as materialized (
    select verb from frozen where verb = any($1::text[]) and ${which} order by verb for update
  )`;

const audited = (what: string): string =>
  `insert into audit (at, by, what, subject) select $2, $3, '${what}', verb from changed`;

/** One that is frozen already stays as it is, with who froze it first. */
const FREEZE = `${locked('frozen_at is null')}, changed as (
    update frozen f set frozen_at = $2, frozen_by = $3 from mine where f.verb = mine.verb returning f.verb
  )
  ${audited('freeze')}`;

const UNFREEZE = `${locked('frozen_at is not null')}, changed as (
    update frozen f set frozen_at = null, frozen_by = null from mine where f.verb = mine.verb returning f.verb
  )
  ${audited('unfreeze')}`;
