import type { Sql } from './database.ts';

/**
 * Condemns instances that no machine owns: each gets a machine of its own, born with a retire, whose deletion goes
 * the way of all others: claimed, batched, retried, logged. It counts against its pool's limit and is never leased.
 */
export async function condemn(
  sql: Sql,
  act: { instances: readonly string[]; reason: string; now: Date; by: string },
): Promise<readonly string[]> {
  if (act.instances.length === 0) return [];
  const rows = await sql.query(CONDEMN, [act.instances, act.reason, act.now, act.by]);
  const undertakers = rows.map((row) => row['id'] as string);
  await sql.query(TAKE_OVER, [undertakers, act.now, act.by]);
  return rows.map((row) => row['instance_id'] as string);
}

/** Born as a wish whose launch is over: from the next statement on it stands where a given-up launch stands. */
const CONDEMN = `with unowned as materialized (
    select i.* from instance i join pool p on p.name = i.pool where i.id = any($1::text[]) and i.machine_id is null
      and i.condemned_at is null and i.gone is null order by i.id for update of i
  ),
  undertaker as (
    insert into machine (id, pool, placement, state, intent_id, intent_kind, instance_id, address, state_since,
        deadline_at, created_at, changed_by, changed_at)
      select gen_random_uuid(), pool, placement, 'requested', gen_random_uuid(), 'retire', id, address, $3,
        $3::timestamptz + interval '1 minute', $3, $4, $3 from unowned
      returning id, intent_id, instance_id
  ),
  intended as (
    insert into intent (id, machine_id, kind, reason, opened_at) select intent_id, id, 'retire', $2, $3 from undertaker
  ),
  marked as (
    update instance i set machine_id = u.id, condemned_at = $3, changed_by = $4, changed_at = $3
    from undertaker u where i.id = u.instance_id
  )
  select id, instance_id from undertaker`;

const TAKE_OVER = `with upd as (
    update machine m set state = 'provisioning', changed_by = $3, changed_at = $2 where id = any($1::uuid[]) and state = 'requested'
    returning id, pool, intent_id
  )
  insert into outbox (kind, pool, machine_id, intent_id, due_at) select 'flow', pool, id, intent_id, $2 from upd`;
