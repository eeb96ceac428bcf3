import {
  dayOf,
  type FleetHours,
  type HoursActs,
  type HoursTurn,
  type MachineHours,
} from '../fleet/machine-hours.ts';
import type { Database, Row, Sql } from './database.ts';

interface Times {
  now: string;
  begin: string;
}

const hours = ({ now, begin }: Times): string => `sum(extract(epoch from
    least(i.gone_at, ${now}::timestamptz) - greatest(i.sighted_at, ${begin}::timestamptz)))::double precision / 3600`;

const today = ({ now, begin }: Times): string =>
  `(i.gone_at is null or i.gone_at > ${begin}) and i.sighted_at < ${now}`;

const used = (where: string, times: Times): string =>
  `coalesce((select ${hours(times)} from instance i where ${where} and ${today(times)}), 0)`;

/**
 * True on a pool's row where neither its limit nor the fleet's is reached: as counted now and, so that nobody goes by
 * a now of long ago, as noted.
 */
export function hoursLeft(pool: string, times: Times): string {
  return `${pool}.hours_reached_at is null
    and not exists (select from fleet f where f.hours_reached_at is not null)
    and (${pool}.max_machine_hours is null or ${used(`i.pool = ${pool}.name`, times)} < ${pool}.max_machine_hours)
    and not exists (select from fleet f where f.max_machine_hours is not null
      and ${used('true', times)} >= f.max_machine_hours)`;
}

export function createHoursActs(database: Database): HoursActs {
  return {
    limitMachineHours: async ({ maxPerDay }) => void (await database.query(LIMIT, [maxPerDay])),
    machineHours: async ({ now }) => toHours(await database.query(HOURS, [now, dayOf(now).begin])),
    noteMachineHours: (act) => database.transaction((sql) => note(sql, act)),
  };
}

const LIMIT = `update fleet set max_machine_hours = $1`;

const TIMES = { now: '$1', begin: '$2' };

const USED = `used as materialized (
    select i.pool, ${hours(TIMES)} as hours from instance i where ${today(TIMES)} group by i.pool
  )`;
const OF_POOL = `coalesce((select u.hours from used u where u.pool = t.name), 0)`;
const OF_FLEET = `(select coalesce(sum(u.hours), 0) from used u)`;

const HOURS = `with ${USED}
  select t.name as pool, t.max_machine_hours, t.hours_reached_at, ${OF_POOL} as used from pool t
  union all select null, t.max_machine_hours, t.hours_reached_at, ${OF_FLEET} from fleet t`;

function toHours(rows: readonly Row[]): FleetHours {
  const pools: Record<string, MachineHours> = {};
  let fleet: MachineHours = { used: 0, maxPerDay: null, reachedAt: null };
  for (const row of rows) {
    const hours = {
      used: row['used'] as number,
      maxPerDay: row['max_machine_hours'] as number | null,
      reachedAt: row['hours_reached_at'] as Date | null,
    };
    if (row['pool'] === null) fleet = hours;
    else pools[row['pool'] as string] = hours;
  }
  return { ...fleet, pools };
}

/** The fleet's row is locked first: of two that count at once, the second one finds what the first has noted. */
async function note(sql: Sql, { now, by }: { now: Date; by: string }): Promise<readonly HoursTurn[]> {
  const [limited] = await sql.query(LOCK_FLEET, []);
  if (limited === undefined) return [];
  await sql.query(LOCK_POOLS, []);
  const values = [now, dayOf(now).begin];
  const turned = [...(await sql.query(NOTE_POOLS, values)), ...(await sql.query(NOTE_FLEET, values))];
  const turns = turned.map(toTurn);
  for (const { reached, ...turn } of turns) {
    const what = reached ? 'machine-hours-reached' : 'machine-hours-free';
    await sql.query(AUDIT, [now, by, what, turn.pool ?? 'fleet', JSON.stringify(turn)]);
  }
  return turns;
}

const WITH_LIMIT = 'max_machine_hours is not null or hours_reached_at is not null';

const LOCK_FLEET = `select from fleet where ${WITH_LIMIT} or exists (select from pool where ${WITH_LIMIT}) for update`;

/** In the order in which applied pools are locked. */
const LOCK_POOLS = `select from pool where ${WITH_LIMIT} order by name for update`;

/** A look from before the limit was reached does not take back what was noted since. */
const noteIn = (
  table: 'pool' | 'fleet',
  of: { key: string; pool: string; used: string },
): string => `with ${USED},
  counted as materialized (select t.${of.key}, ${of.used} as used from ${table} t where ${WITH_LIMIT})
  update ${table} t set hours_reached_at = case when c.used >= t.max_machine_hours then $1::timestamptz end
  from counted c where c.${of.key} = t.${of.key} and (t.hours_reached_at is null or t.hours_reached_at <= $1)
    and coalesce(c.used >= t.max_machine_hours, false) <> (t.hours_reached_at is not null)
  returning ${of.pool} as pool, t.hours_reached_at, c.used, t.max_machine_hours`;

const NOTE_POOLS = noteIn('pool', { key: 'name', pool: 't.name', used: OF_POOL });
const NOTE_FLEET = noteIn('fleet', { key: 'one', pool: 'null', used: OF_FLEET });

function toTurn(row: Row): HoursTurn {
  return {
    pool: row['pool'] as string | null,
    reached: row['hours_reached_at'] !== null,
    used: row['used'] as number,
    maxPerDay: row['max_machine_hours'] as number | null,
  };
}

const AUDIT = `insert into audit (at, by, what, subject, detail) values ($1, $2, $3, $4, $5)`;
