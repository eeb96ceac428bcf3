import { judgeSweep } from '../fleet/brakes.ts';
import type { ReconcileActs, SweepAct, SweepResult } from '../fleet/reconcile-acts.ts';
import { condemn } from './condemn.ts';
import type { Database, Sql } from './database.ts';
import { condemnLeftOvers, sightLeftOvers } from './left-overs.ts';
import { openIntent } from './open-intent.ts';
import { addToTotals, keepRecord, lockRecord } from './sweep-record.ts';

/**
 * Compares a whole listing, made before this look at the database, with the instances known at its placement. Both
 * directions want two sightings a grace period apart, because listings lag behind in both. Whatever is found is written
 * down; what is done about it is for the brakes to say first.
 */
export function createSweep(database: Database): ReconcileActs['sweep'] {
  return async (act) => {
    const items = JSON.stringify(act.items);
    const interrupted = await database.transaction((sql) => loseInterrupted(sql, items, act));
    const { over, ...found } = await database.transaction((sql) => condemnStrays(sql, items, act));
    const lost = await database.transaction((sql) => loseMissing(sql, { items, over, act }));
    return { ...found, lost: [...interrupted, ...lost] };
  };
}

/**
 * One sighting is enough, and no brake holds it: the cloud itself says of each of them what it is doing. What we have
 * deleted is retired already.
 */
async function loseInterrupted(sql: Sql, items: string, act: SweepAct): Promise<string[]> {
  const rows = await sql.query(INTERRUPTED, [items, act.placement.pool, act.placement.name]);
  const machines = rows.map((row) => row['machine_id'] as string);
  return loseMachines(sql, machines, { ...act, reason: 'the cloud takes its instance away' });
}

const INTERRUPTED = `select n.machine_id
  from jsonb_to_recordset($1::jsonb) as i (instance text, state text, interrupted boolean)
    join instance n on n.id = i.instance
    join machine m on m.id = n.machine_id and m.live and m.intent_kind is distinct from 'retire'
  where n.pool = $2 and n.placement = $3 and n.gone_at is null
    and (i.state = 'deleting' or (i.interrupted and i.state <> 'gone'))`;

/** `over`: the instances that may count as gone from now on. */
async function condemnStrays(
  sql: Sql,
  items: string,
  act: SweepAct,
): Promise<Omit<SweepResult, 'lost'> & { over: readonly string[] }> {
  const place = [act.placement.pool, act.placement.name];
  // Its row is locked from here on: two sweeps of one placement would each count what is left to the other.
  const last = await lockRecord(sql, act.placement);
  const sighted = await sql.query(SIGHT, [items, ...place, act.now, act.by]);
  const leftOvers = await sightLeftOvers(sql, act, settledBefore(act));
  const strays = await sql.query(STRAYS, [items, ...place, settledBefore(act)]);
  const instances = strays.map((row) => row['id'] as string);
  const since = [act.listedAt, last?.listedAt ?? null, settledBefore(act)];
  const [absent = {}] = await sql.query(ABSENT, [items, ...place, ...since]);
  const { machines, ends, vanished } = absent as Record<'machines' | 'ends' | 'vanished', number>;
  const counts = { machines, condemns: instances.length, leftOvers, ends, vanished };
  const judgement = judgeSweep({ ...act, counts, last });
  await keepRecord(sql, { judgement, counts, act });
  const { verdict, why } = judgement;
  const told = { sighted: sighted.length, verdict, why, counts };
  if (verdict !== 'go') {
    await addToTotals(sql, act.placement, { sighted: sighted.length });
    return { ...told, condemned: [], leftOvers: [], over: [] };
  }
  const reason = 'seen in the cloud, owned by nobody';
  const condemned = await condemn(sql, { instances, reason, now: act.now, by: act.by });
  const due = await condemnLeftOvers(sql, act, settledBefore(act));
  await addToTotals(sql, act.placement, { sighted: sighted.length, condemned: condemned.length });
  return { ...told, condemned, leftOvers: due, over: absent['over'] as string[] };
}

async function loseMissing(
  sql: Sql,
  { items, over, act }: { items: string; over: readonly string[]; act: SweepAct },
): Promise<string[]> {
  const place = [act.placement.pool, act.placement.name];
  // First, as above: whoever held machines and then waited for it could wait for ever.
  await lockRecord(sql, act.placement);
  await lockMachinesOf(sql, [items, ...place, act.listedAt]);
  await sql.query(BACK, [items, ...place]);
  const times = [act.listedAt, act.now, settledBefore(act)];
  const missing = await sql.query(MISSING, [items, ...place, ...times, act.by, over]);
  const machines = missing.map((row) => row['machine_id'] as string);
  const lost = await loseMachines(sql, machines, { ...act, reason: 'its instance is gone' });
  await addToTotals(sql, act.placement, { lost: lost.length });
  return lost;
}

/** Counted from when the listing began: one that took long to arrive tells no more than it did then. */
function settledBefore(act: SweepAct): Date {
  return new Date(act.listedAt.getTime() - act.graceMs);
}

/**
 * An instance of a launch that is still going on is that launch's to write down, to adopt or to condemn: counted here
 * beside the machine that waits for it, it would count twice. Where listings do not tell whose an instance is, any
 * launch at the placement may be its own.
 */
const OF_A_LAUNCH = (batch: string): string => `exists (
    select from batch g where g.verb = 'launch' and g.ended_at is null and g.state <> 'open'
      and g.placement ->> 'pool' = $2 and g.placement ->> 'name' = $3 and (${batch} is null or ${batch} = g.id::text))`;

/** A look writes the same rows in the same order. */
const SIGHT = `insert into instance (id, pool, placement, batch_id, address, sighted_at, changed_by, changed_at)
  select i.instance, $2, $3, b.id, i.address, $4, $5, $4
  from jsonb_to_recordset($1::jsonb) as i (instance text, state text, address text, batch text)
    left join batch b on b.id::text = i.batch
  where i.state not in ('gone', 'deleting') and not ${OF_A_LAUNCH('i.batch')} order by i.instance
  on conflict (id) do nothing returning id`;

const STRAYS = `select n.id from instance n
    join jsonb_to_recordset($1::jsonb) as i (instance text, state text) on i.instance = n.id and i.state not in ('gone', 'deleting')
    left join batch b on b.id = n.batch_id
  where n.pool = $2 and n.placement = $3 and n.machine_id is null and n.condemned_at is null and n.gone_at is null
    and n.sighted_at <= $4 and (b.id is null or b.ended_at is not null) and not ${OF_A_LAUNCH('n.batch_id::text')}`;

/**
 * What is known here and not listed. Whatever the last sweep missed is marked as missing, so what is not marked and was
 * known before it had been listed then. One that is condemned is on its way out by our own doing.
 */
const ABSENT = `with listed as (select * from jsonb_to_recordset($1::jsonb) as i (instance text, state text)),
  absent as (
    select n.id, n.machine_id is not null and n.condemned_at is null as ours,
      coalesce(l.state = 'gone', false) or coalesce(n.missing_since <= $6, false) as over,
      n.missing_since is not null or n.sighted_at < $5 as known
    from instance n left join listed l on l.instance = n.id
    where n.pool = $2 and n.placement = $3 and n.gone_at is null and n.sighted_at < $4
      and (l.instance is null or l.state = 'gone')
  )
  select (select count(*)::integer from machine m where m.pool = $2 and m.live) as machines,
    count(*) filter (where ours and over)::integer as ends, count(*) filter (where ours and known)::integer as vanished,
    coalesce(array_agg(id) filter (where over), '{}') as over
  from absent`;

/**
 * A look's outcome locks batch, machine and instance in that order, so whoever is to write an instance that a machine
 * owns locks the machine first.
 */
async function lockMachinesOf(sql: Sql, listed: readonly unknown[]): Promise<void> {
  const rows = await sql.query(TOUCHED, listed);
  if (rows.length === 0) return;
  const machines = [rows.map((row) => row['machine_id'] as string)];
  await sql.query(LOCK_BATCHES, machines);
  await sql.query(LOCK_MACHINES, machines);
}

const TOUCHED = `with listed as (select * from jsonb_to_recordset($1::jsonb) as i (instance text, state text))
  select n.machine_id from instance n left join listed l on l.instance = n.id
  where n.pool = $2 and n.placement = $3 and n.gone_at is null and n.machine_id is not null
    and (n.missing_since is not null or (n.sighted_at < $4 and (l.instance is null or l.state = 'gone')))`;

const LOCK_BATCHES = `select b.id from batch b where b.state = 'open'
    and b.id in (select m.batch_id from machine m where m.id = any($1::uuid[]))
  order by b.id for update`;

const LOCK_MACHINES = `select m.id from machine m where m.id = any($1::uuid[]) order by m.id for update`;

const BACK = `update instance n set missing_since = null
  from jsonb_to_recordset($1::jsonb) as i (instance text, state text)
  where n.id = i.instance and n.pool = $2 and n.placement = $3 and n.missing_since is not null and i.state <> 'gone'`;

/** Gone is what a whole listing says twice, or what it names as gone; never one absence, never an error. */
const MISSING = `with listed as (select * from jsonb_to_recordset($1::jsonb) as i (instance text, state text)),
  absent as materialized (
    select n.id, n.machine_id, n.missing_since, l.state as told from instance n left join listed l on l.instance = n.id
    where n.pool = $2 and n.placement = $3 and n.gone_at is null and n.sighted_at < $4
      and (l.instance is null or l.state = 'gone')
  ),
  first as (update instance n set missing_since = $5 from absent a where n.id = a.id and n.missing_since is null),
  gone as (
    update instance n set gone_at = $5, gone = case when a.told = 'gone' then 'listed-gone' else 'absent-from-listing' end,
      changed_by = $7, changed_at = $5
    from absent a where n.id = a.id and (a.told = 'gone' or a.missing_since <= $6) and a.id = any($8::text[])
    returning n.machine_id
  )
  select machine_id from gone where machine_id is not null`;

/** Its user is told at once; the machine goes through stop and release to its deletion like any other. */
async function loseMachines(
  sql: Sql,
  machines: readonly string[],
  { by, now, reason }: { by: string; now: Date; reason: string },
): Promise<string[]> {
  const lost: string[] = [];
  for (const machine of machines.toSorted()) {
    const what = { kind: 'retire', reason, outcome: 'lost' } as const;
    const answer = await openIntent(sql, { machine, by, now, deadlines: {}, ...what });
    if (answer.granted) lost.push(machine);
  }
  return lost;
}
