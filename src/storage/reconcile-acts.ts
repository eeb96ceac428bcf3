import type { Step } from '../fleet/lifecycle.ts';
import { purgeableBefore } from '../fleet/machine-hours.ts';
import type { ReconcileActs, Ring } from '../fleet/reconcile-acts.ts';
import type { Database, Row } from './database.ts';
import { condemnedLeftOvers, leftOverRefused } from './left-overs.ts';
import { createRecover } from './recover.ts';
import { machineColumns, toMachine } from './rows.ts';
import { createSweep } from './sweep.ts';
import { confirmSweep, haltedSweeps } from './sweep-record.ts';

export function createReconcileActs(database: Database): ReconcileActs {
  return {
    overdueMachines: async (act) => (await database.query(OVERDUE, [act.now, act.limit])).map(toMachine),
    recover: createRecover(database),
    unattended: async (act) => {
      const rows = await database.query(UNATTENDED, [act.now, act.before, act.limit, act.after ?? '']);
      return rows.map(toRing);
    },
    ringAgain: (act) => ringAgain(database, act),
    sweep: createSweep(database),
    leftOverRefused: (act) => leftOverRefused(database, act),
    leftOvers: () => condemnedLeftOvers(database),
    haltedSweeps: () => haltedSweeps(database),
    confirmSweep: (act) => database.transaction((sql) => confirmSweep(sql, act)),
    purge: (act) => purge(database, act),
  };
}

const OVERDUE = `select ${machineColumns('m')} from machine m where m.live and m.deadline_at <= $1 order by m.deadline_at limit $2`;

const UNATTENDED_STEPS = `select 'step' as kind, id as machine, null as batch, pool, intent_id as intent, owed as step, ring,
    greatest(changed_at, coalesce(claimed_until, changed_at)) as since
  from machine
  where live and owed is not null and batch_id is null and (claimed_until is null or claimed_until <= $1) and changed_at <= $2
    and (rung_at is null or rung_at <= $2)`;

const UNATTENDED_BATCHES = `select 'batch' as kind, null as machine, id as batch, '' as pool, null as intent, null as step, ring,
    greatest(changed_at, close_at, coalesce(claimed_until, changed_at), coalesce(look_at, changed_at)) as since
  from batch
  where ended_at is null and (claimed_until is null or claimed_until <= $1)
    and greatest(changed_at, close_at, coalesce(look_at, changed_at)) <= $2 and (rung_at is null or rung_at <= $2)`;

/**
 * Pages go by the id as text: going by the id itself, the planner may walk the key of every machine there ever was in
 * place of the index of the live ones.
 */
const UNATTENDED = `select * from (${UNATTENDED_STEPS} union all ${UNATTENDED_BATCHES}) owed
  where coalesce(machine, batch)::text collate "C" > $4 order by coalesce(machine, batch)::text collate "C" limit $3`;

function toRing(row: Row): Ring {
  return {
    kind: row['kind'] as Ring['kind'],
    machine: row['machine'] as string | null,
    batch: row['batch'] as string | null,
    pool: row['pool'] as string,
    intent: row['intent'] as string | null,
    step: row['step'] as Step | null,
    ring: row['ring'] as number,
    since: row['since'] as Date,
  };
}

/** A new ring has a new job id: BullMQ silently ignores one whose record still exists. */
async function ringAgain(database: Database, act: { ring: Ring; now: Date }): Promise<boolean> {
  const { ring, now } = act;
  const rows =
    ring.kind === 'step'
      ? await database.query(RING_STEP, [ring.machine, ring.intent, ring.step, ring.ring, now])
      : await database.query(RING_BATCH, [ring.batch, ring.ring, now]);
  return rows.length > 0;
}

const RING_STEP = `with rung as (
    update machine set ring = ring + 1, rung_at = $5
    where id = $1 and intent_id = $2 and owed = $3 and ring = $4 and batch_id is null
      and (claimed_until is null or claimed_until <= $5)
    returning id, pool, intent_id, owed, ring
  )
  insert into outbox (kind, pool, machine_id, intent_id, step, ring, due_at)
    select 'step', pool, id, intent_id, owed, ring, $5 from rung returning id`;

const RING_BATCH = `with rung as (
    update batch set ring = ring + 1, rung_at = $3
    where id = $1 and ring = $2 and state <> 'ended' and (claimed_until is null or claimed_until <= $3)
    returning id, ring
  )
  insert into outbox (kind, batch_id, ring, due_at) select 'batch', id, ring, $3 from rung returning id`;

async function purge(database: Database, act: Parameters<ReconcileActs['purge']>[0]): Promise<number> {
  let purged = (await database.query(PURGE_INSTANCES, [purgeableBefore(act), act.limit])).length;
  for (const statement of PURGES) purged += (await database.query(statement, [act.before, act.limit])).length;
  return purged;
}

/** What a purge takes is counted in the same write: whoever adds up what is there and what was there misses nothing. */
function counted(kind: 'machine' | 'lease' | 'batch'): string {
  return `counted as (
     insert into purged (kind, place, label, count)
       select '${kind}', place, label, count(*) from gone group by place, label order by place, label
     on conflict (kind, place, label) do update set count = purged.count + excluded.count
   )`;
}

const PURGE_INSTANCES = `delete from instance where id in (select id from instance where gone_at < $1 limit $2) returning id`;

/** After the instances machines before batches: each is kept while something that may still matter names it. */
const PURGES = [
  `with gone as (
     delete from machine where id in (
       select m.id from machine m where m.state = 'deleted' and m.state_since < $1
         and not exists (select from instance i where i.machine_id = m.id) limit $2)
     returning id, pool as place, state as label
   ), ${counted('machine')}
   select id from gone`,
  `delete from intent where id in (select id from intent where closed_at < $1 limit $2) returning id`,
  `with gone as (
     delete from batch where id in (
       select b.id from batch b where b.ended_at < $1 and not exists (
         select from batch_member l join machine m on m.id = l.machine_id where l.batch_id = b.id and m.batch_id = b.id)
       limit $2)
     returning id, lane as place, verb as label
   ), members as (delete from batch_member l using gone g where l.batch_id = g.id), ${counted('batch')}
   select id from gone`,
  `with gone as (
     delete from lease where id in (select id from lease where ended_at < $1 limit $2)
     returning id, coalesce(pool, '') as place, state as label
   ), ${counted('lease')}
   select id from gone`,
  `delete from transition where seq in (select seq from transition where at < $1 order by seq limit $2) returning seq`,
  `delete from audit where id in (select id from audit where at < $1 order by id limit $2) returning id`,
];
