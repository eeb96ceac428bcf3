import type { Look } from '../fleet/provider.ts';
import type { Batch, BatchActs } from '../fleet/store.ts';
import { condemn } from './condemn.ts';
import type { Database, Sql } from './database.ts';
import { toBatch } from './rows.ts';
import { DONE_STATE, type DoneMember, failMembers, finishMembers } from './settle-members.ts';

type RecordAct = Parameters<BatchActs['recordLook']>[0];
type Recorded = Awaited<ReturnType<BatchActs['recordLook']>>;

/** Writes down what a look at a batch showed; one transaction under the batch's own token. */
export function createRecordLook(database: Database): BatchActs['recordLook'] {
  return (act) => database.transaction((sql) => recordLook(sql, act));
}

async function recordLook(sql: Sql, act: RecordAct): Promise<Recorded> {
  const batch = await lockBatch(sql, act);
  if (batch === undefined) return { recorded: false, ended: false, pools: [] };
  if (batch.verb === 'launch') await adopt(sql, batch, act);
  const instances = await pendingInstances(sql, batch.id);
  const { done, failed } = sortOutcomes({ batch, instances, act });
  await finishMembers(sql, { batch, done, now: act.now, by: act.by });
  await failMembers(sql, { batch, failed, now: act.now, by: act.by });
  await noteLaunch(sql, { batch, done, failed, act });
  const waiting = instances.size - done.length - failed.length;
  const ended = waiting === 0 && (batch.verb !== 'launch' || act.look.settled);
  if (ended && batch.verb === 'launch') await condemnSurplus(sql, batch, act);
  await writeBatch(sql, { batch, ended, act });
  return { recorded: true, ended, pools: ended ? await poolsToGrow(sql, batch.id) : [] };
}

/** The batch's row first, then its machines in one order: what every act on batches does. */
async function lockBatch(sql: Sql, act: RecordAct): Promise<Batch | undefined> {
  const [row] = await sql.query(
    `select * from batch where id = $1 and token = $2 and state in ('closed', 'sent') for update`,
    [act.batch, act.token],
  );
  if (row === undefined) return undefined;
  await sql.query(LOCK_MEMBERS, [act.batch]);
  return toBatch(row, await sql.query(`select * from batch_member where batch_id = $1`, [act.batch]));
}

const LOCK_MEMBERS = `select m.id from batch_member b join machine m on m.id = b.machine_id
  where b.batch_id = $1 and m.batch_id = $1 order by m.id for update of m`;

/**
 * Writes down every instance the launch made, then gives those nobody owns to members that have none: first to those
 * still waiting, then to those given up, which keep their place in the pool for just that and delete what they get.
 */
async function adopt(sql: Sql, batch: Batch, act: RecordAct): Promise<void> {
  const seen = act.look.launched;
  if (seen.length === 0) return;
  const place = [batch.placement.pool, batch.placement.name, batch.id];
  await sql.query(SEEN, [JSON.stringify(seen), ...place, act.now, act.by]);
  await sql.query(ADOPT, [batch.id, act.now, act.by]);
  await sql.query(BURY, [batch.id, act.now, act.by]);
}

/** In the order in which a sweep writes them: each waits for what the other inserts. */
const SEEN = `insert into instance (id, pool, placement, batch_id, address, sighted_at, gone_at, gone, changed_by, changed_at)
  select i.instance, $2, $3, $4, i.address, $5, case when i.state = 'gone' then $5::timestamptz end,
    case when i.state = 'gone' then 'listed-gone' end, $6, $5
  from jsonb_to_recordset($1::jsonb) as i (instance text, state text, address text) order by i.instance
  on conflict (id) do update set address = coalesce(excluded.address, instance.address), changed_at = excluded.changed_at,
    batch_id = coalesce(instance.batch_id, excluded.batch_id), changed_by = excluded.changed_by,
    gone_at = coalesce(instance.gone_at, excluded.gone_at), gone = coalesce(instance.gone, excluded.gone)
  where (instance.address is null and excluded.address is not null) or (instance.gone is null and excluded.gone is not null)
    or instance.batch_id is null`;

const ADOPT = `with free as (
    select id, address, row_number() over (order by id) as n from instance
    where batch_id = $1 and machine_id is null and condemned_at is null and gone is null
  ),
  wanting as (
    select b.machine_id, row_number() over (order by b.machine_id) as n
    from batch_member b join machine m on m.id = b.machine_id
    where b.batch_id = $1 and b.state = 'pending' and b.instance_id is null and m.batch_id = $1 and m.token = b.token
  ),
  adopted as (
    update instance i set machine_id = w.machine_id, changed_by = $3, changed_at = $2
    from free f join wanting w using (n)
    where i.id = f.id and i.machine_id is null and i.condemned_at is null and i.gone is null
    returning i.id, i.machine_id, i.address
  ),
  member as (
    update batch_member b set instance_id = a.id from adopted a where b.batch_id = $1 and b.machine_id = a.machine_id
  )
  update machine m set instance_id = a.id, address = a.address, changed_by = $3, changed_at = $2
  from adopted a where m.id = a.machine_id`;

const BURY = `with free as (
    select id, address, row_number() over (order by id) as n from instance
    where batch_id = $1 and machine_id is null and condemned_at is null and gone is null
  ),
  keeping as (
    select machine_id, row_number() over (order by machine_id) as n from (
      select b.machine_id from batch_member b join machine m on m.id = b.machine_id
      where b.batch_id = $1 and b.state = 'given-up' and m.instance_id is null and m.intent_kind = 'retire'
        and m.state in ('provisioning', 'deleting')
      order by b.machine_id for update of m
    ) given_up
  ),
  taken as (
    update instance i set machine_id = k.machine_id, condemned_at = $2, changed_by = $3, changed_at = $2
    from free f join keeping k using (n)
    where i.id = f.id and i.machine_id is null and i.condemned_at is null and i.gone is null
    returning i.id, i.machine_id, i.address
  )
  update machine m set instance_id = t.id, address = t.address, changed_by = $3, changed_at = $2
  from taken t where m.id = t.machine_id`;

interface Pending {
  instance: string | null;
  pool: string;
}

/** Members still waiting, the instance each has and the pool whose deadlines it lives by. */
async function pendingInstances(sql: Sql, batch: string): Promise<Map<string, Pending>> {
  const rows = await sql.query(
    `select b.machine_id, b.instance_id, m.pool from batch_member b join machine m on m.id = b.machine_id
      where b.batch_id = $1 and b.state = 'pending' and m.batch_id = $1 and m.token = b.token`,
    [batch],
  );
  return new Map(
    rows.map((row) => {
      const pending = { instance: row['instance_id'] as string | null, pool: row['pool'] as string };
      return [row['machine_id'] as string, pending] as const;
    }),
  );
}

interface Sorted {
  done: DoneMember[];
  failed: { machine: string; failure: string }[];
}

function sortOutcomes(from: { batch: Batch; instances: Map<string, Pending>; act: RecordAct }): Sorted {
  const { look, pools } = from.act;
  const deadlines = new Map(pools.map((pool) => [pool.name, pool.deadlines]));
  const next = DONE_STATE[from.batch.verb];
  const sorted: Sorted = { done: [], failed: [] };
  for (const [machine, { instance, pool }] of from.instances) {
    const progress =
      from.batch.verb === 'launch' ? launchProgress(look, instance) : actProgress(look, instance);
    if (progress.state === 'failed') sorted.failed.push({ machine, failure: progress.failure });
    if (progress.state === 'done') {
      const deadlineMs = deadlines.get(pool)?.[next] ?? null;
      sorted.done.push({ machine, address: progress.address, deadlineMs });
    }
  }
  return sorted;
}

type MemberProgress =
  | { state: 'pending' }
  | { state: 'done'; address: string | null }
  | { state: 'failed'; failure: string };

/** A launched member is done once its instance runs and can be reached; without an instance it waits or fails. */
function launchProgress(look: Look, instance: string | null): MemberProgress {
  if (instance === null) {
    if (!look.settled) return { state: 'pending' };
    return {
      state: 'failed',
      failure: look.error?.message ?? 'the cloud made fewer machines than were asked for',
    };
  }
  const launched = look.launched.find((each) => each.instance === instance);
  if (launched?.state === 'gone')
    return { state: 'failed', failure: 'the instance ended while it was launching' };
  if (launched?.state !== 'running' || launched.address === null) return { state: 'pending' };
  return { state: 'done', address: launched.address };
}

function actProgress(look: Look, instance: string | null): MemberProgress {
  const progress = instance === null ? undefined : look.outcomes[instance];
  if (progress === undefined || progress.state === 'pending') return { state: 'pending' };
  if (progress.state === 'failed') return { state: 'failed', failure: progress.error.message };
  return { state: 'done', address: progress.address ?? null };
}

/** A refused launch leaves its placement alone for a growing while; a launch that worked forgets that. */
async function noteLaunch(sql: Sql, from: Sorted & { batch: Batch; act: RecordAct }): Promise<void> {
  if (from.batch.verb !== 'launch' || from.done.length + from.failed.length === 0) return;
  const failure = from.failed[0]?.failure ?? null;
  const { pool, name } = from.batch.placement;
  await sql.query(from.failed.length > 0 ? COOL : FORGIVE, [pool, name, from.act.now, failure]);
}

export const COOL = `insert into placement (pool, name, failures, cool_until, failure)
  values ($1, $2, 1, $3::timestamptz + interval '2 seconds', $4)
  on conflict (pool, name) do update set failures = placement.failures + 1, failure = $4,
    cool_until = $3::timestamptz + least(600, 2 ^ least(placement.failures + 1, 10)) * interval '1 second'`;

const FORGIVE = `update placement set failures = 0, cool_until = null, failure = null
  where pool = $1 and name = $2 and failures > 0 and $3::timestamptz is not null and $4::text is null`;

async function condemnSurplus(sql: Sql, batch: Batch, act: RecordAct): Promise<void> {
  const rows = await sql.query(
    `select id from instance where batch_id = $1 and machine_id is null and condemned_at is null and gone is null`,
    [batch.id],
  );
  const instances = rows.map((row) => row['id'] as string);
  await condemn(sql, { instances, reason: 'surplus of a launch', now: act.now, by: act.by });
}

async function writeBatch(sql: Sql, from: { batch: Batch; ended: boolean; act: RecordAct }): Promise<void> {
  const { look, now, by } = from.act;
  const holdsLane = look.holdsLane && !from.ended;
  const lookAt = new Date(now.getTime() + look.lookInMs);
  await sql.query(WRITE, [
    from.batch.id,
    JSON.stringify(look.handle),
    from.ended,
    holdsLane,
    lookAt,
    now,
    by,
  ]);
  if (!holdsLane) await sql.query(WAKE_LANE, [from.batch.lane, now]);
}

const WRITE = `update batch set handle = $2, state = case when $3::boolean then 'ended' else 'sent' end, holds_lane = $4,
    look_at = case when $3::boolean then null else $5::timestamptz end, claimed_until = null, in_doubt = false, failures = 0,
    failure = null, ended_at = case when $3::boolean then $6::timestamptz end, changed_by = $7, changed_at = $6
  where id = $1`;

/**
 * The lane is free: what has been collecting for it goes next. Also where its window is not over yet: it may be before
 * this write is seen, and a batch that looks in between finds the lane busy.
 */
export const WAKE_LANE = `insert into outbox (kind, job, due_at)
  select 'wake', 'batch.' || id || '.' || ring, $2 from batch where lane = $1 and state = 'open'`;

async function poolsToGrow(sql: Sql, batch: string): Promise<string[]> {
  return (await sql.query(TO_GROW, [batch])).map((row) => row['name'] as string);
}

const TO_GROW = `select p.name from pool p
  where p.name in (select m.pool from batch_member b join machine m on m.id = b.machine_id where b.batch_id = $1)
    and ((p.spec ->> 'minIdle')::integer > 0 or exists (select from lease l where l.pending and p.name = any(l.pools)))`;
