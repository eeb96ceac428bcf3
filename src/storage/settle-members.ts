import type { MachineState } from '../fleet/lifecycle.ts';
import type { Verb } from '../fleet/provider.ts';
import type { Batch } from '../fleet/store.ts';
import type { Sql } from './database.ts';

/** Where a member goes once the cloud has said that its act is done. */
export const DONE_STATE = {
  launch: 'booting',
  start: 'booting',
  stop: 'stopped',
  reset: 'booting',
  delete: 'deleted',
} as const satisfies Record<Verb, MachineState>;

export interface DoneMember {
  machine: string;
  address: string | null;
  /** How long the state it goes to may last; null where nothing bounds it. */
  deadlineMs: number | null;
}

interface Settling {
  batch: Batch;
  now: Date;
  by: string;
}

/**
 * Writes the outcome of members whose act is done, each under the token it joined with: the end of its step, and a
 * wake for the jobs that wait for it. Members given up meanwhile are left as they are.
 */
export async function finishMembers(
  sql: Sql,
  act: Settling & { done: readonly DoneMember[] },
): Promise<void> {
  if (act.done.length === 0) return;
  const { batch } = act;
  await sql.query(FINISH, [
    JSON.stringify(act.done),
    batch.id,
    batch.verb,
    DONE_STATE[batch.verb],
    act.now,
    act.by,
  ]);
}

const FINISH = `with item as materialized (
    select * from jsonb_to_recordset($1::jsonb) as i (machine uuid, address text, "deadlineMs" double precision)
  ),
  old as materialized (
    select m.*, i.address as told, i."deadlineMs" as deadline_ms from item i join machine m on m.id = i.machine
      join batch_member b on b.batch_id = $2 and b.machine_id = m.id
    where m.batch_id = $2 and m.token = b.token and b.state = 'pending'
  ),
  upd as (
    update machine m set state = $4::text, batch_id = null, claimed_until = null, claimed_by = null,
      state_since = case when m.state = $4::text then m.state_since else $5::timestamptz end,
      deadline_at = case when m.state = $4::text then m.deadline_at
        else $5::timestamptz + o.deadline_ms * interval '1 millisecond' end,
      clean = m.clean or $3::text in ('launch', 'reset'), halted = $3::text = 'stop',
      address = coalesce(o.told, m.address), failures = 0, failure = null, refusals = 0, refused_since = null, ring = 0,
      intent_id = case when $3::text = 'delete' then null else m.intent_id end,
      intent_kind = case when $3::text = 'delete' then null else m.intent_kind end,
      changed_by = $6, changed_at = $5
    from old o where m.id = o.id returning m.id
  ),
  closed as (
    update intent n set closed_at = $5, closed_why = 'done' from old o
    where $3::text = 'delete' and n.id = o.intent_id and n.closed_why is null
  ),
  gone as (
    update instance n set gone_at = $5, gone = 'listed-gone', changed_by = $6, changed_at = $5 from old o
    where $3::text = 'delete' and n.id = o.instance_id and n.gone is null
  ),
  settled as (update batch_member b set state = 'done' from upd u where b.batch_id = $2 and b.machine_id = u.id)
  insert into outbox (kind, job, due_at)
    select 'wake', job, $5 from (
      select o.claimed_by as job from old o
      union select o.owed || '.' || o.intent_id || '.0' from old o
    ) jobs where job is not null`;

/**
 * Writes the outcome of members whose act failed. A launch, start, reset or stop that failed means retire (an open
 * quarantine stays): nothing about that machine is known for certain. A machine whose delete failed is set aside, by
 * itself, so that it holds up no other: it is tried again after a second, and after twice as long each time, up to ten
 * minutes.
 */
export async function failMembers(
  sql: Sql,
  act: Settling & { failed: readonly { machine: string; failure: string }[] },
): Promise<void> {
  if (act.failed.length === 0) return;
  const { batch, now, by } = act;
  if (batch.verb !== 'delete') {
    const only = act.failed.map((member) => member.machine);
    await retireMembers(sql, { batch: batch.id, now, by, why: `${batch.verb} failed`, only });
  }
  await sql.query(FAIL, [JSON.stringify(act.failed), batch.id, batch.verb, now, by]);
}

const FAIL = `with item as materialized (
    select * from jsonb_to_recordset($1::jsonb) as i (machine uuid, failure text)
  ),
  old as materialized (
    select m.*, i.failure as told from item i join machine m on m.id = i.machine
      join batch_member b on b.batch_id = $2 and b.machine_id = m.id
    where m.batch_id = $2 and m.token = b.token and b.state = 'pending'
  ),
  upd as (
    update machine m set batch_id = null, claimed_by = null, failure = o.told, failures = m.failures + 1,
      state = case when $3::text = 'stop' then 'stopped' else m.state end,
      state_since = case when $3::text = 'stop' then $4::timestamptz else m.state_since end,
      refusals = m.refusals + ($3::text = 'delete')::integer,
      refused_since = case when $3::text = 'delete' then coalesce(m.refused_since, $4::timestamptz) end,
      claimed_until = case when $3::text = 'delete'
        then $4::timestamptz + least(600, 2 ^ least(m.refusals, 10)) * interval '1 second' end,
      deadline_at = case when $3::text = 'delete' then m.deadline_at else $4::timestamptz + interval '1 minute' end,
      changed_by = $5, changed_at = $4
    from old o where m.id = o.id returning m.id
  ),
  settled as (
    update batch_member b set state = 'failed', failure = o.told from old o
    where b.batch_id = $2 and b.machine_id = o.id
  )
  insert into outbox (kind, job, due_at)
    select 'wake', job, $4 from (
      select o.claimed_by as job from old o
      union select o.owed || '.' || o.intent_id || '.0' from old o
    ) jobs where job is not null`;

/** Makes the open intent of a batch's members a retire where it is milder; an open quarantine stays. */
export async function retireMembers(
  sql: Sql,
  act: { batch: string; now: Date; by: string; why: string; only?: readonly string[] },
): Promise<void> {
  await sql.query(RETIRE, [act.batch, act.now, act.by, act.why, act.only ?? null]);
}

const RETIRE = `with old as materialized (
    select m.id, m.intent_id from batch_member b join machine m on m.id = b.machine_id
    where b.batch_id = $1 and m.batch_id = $1 and m.intent_kind in ('provision', 'recycle', 'park')
      and ($5::uuid[] is null or m.id = any($5::uuid[]))
    order by m.id for update of m
  ),
  closed as (
    update intent n set closed_at = $2, closed_why = 'replaced' from old o where n.id = o.intent_id returning n.machine_id
  ),
  opened as (
    insert into intent (id, machine_id, kind, reason, opened_at)
      select gen_random_uuid(), c.machine_id, 'retire', $4, $2 from closed c returning id, machine_id
  ),
  upd as (
    update machine m set intent_id = o.id, intent_kind = 'retire', ring = 0, changed_by = $3, changed_at = $2
    from opened o where m.id = o.machine_id returning m.id, m.pool, m.intent_id
  )
  insert into outbox (kind, pool, machine_id, intent_id, due_at) select 'flow', pool, id, intent_id, $2 from upd`;
