import type { Lease } from '../fleet/pool.ts';
import type { EndLeaseAct, LeaseActs } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import { type Database, isDuplicate } from './database.ts';
import { COLLECTED } from './guarded-statement.ts';
import { createMatch } from './match.ts';
import { ENDING, LEASE_SELECT, toLease } from './rows.ts';

export function createLeaseActs(database: Database): LeaseActs {
  const readLease = createRead(database);
  const end = createEnd(database);
  return {
    requestLease: createRequest(database),
    readLease,
    async heartbeat(act) {
      await database.query(HEARTBEAT, [act.lease, act.owner, act.now]);
      const lease = await readLease(act.lease);
      return lease?.owner === act.owner ? lease : undefined;
    },
    async endLease(act) {
      const lease = await endUntilEnded({ end, readLease }, act);
      return act.owner === null || lease?.owner === act.owner ? lease : undefined;
    },
    match: createMatch(database),
    expireLeases: async (act) => {
      await database.query(WAIT_ON, [act.now]);
      const rows = await database.query(OVERDUE, [act.now, act.limit]);
      const ended: Lease[] = [];
      for (const row of rows) {
        const lease = row['id'] as string;
        const reason = row['reason'] as string;
        await end({
          lease,
          owner: null,
          outcome: 'expired',
          reason,
          by: act.by,
          now: act.now,
          overdue: true,
        });
        const after = await readLease(lease);
        if (after !== undefined) ended.push(after);
      }
      return ended;
    },
  };
}

function createRead(database: Database): (lease: string) => Promise<Lease | undefined> {
  const collect = createCollector<string, Lease | null>({
    ...COLLECTED,
    key: (lease) => lease,
    run: async (leases) => {
      const rows = await database.query(`${LEASE_SELECT} where l.id = any($1::uuid[])`, [leases]);
      const found = new Map<string, Lease | null>(leases.map((lease) => [lease, null]));
      for (const row of rows) found.set(row['id'] as string, toLease(row));
      return found;
    },
  });
  return async (lease) => (await collect(lease)) ?? undefined;
}

function createRequest(database: Database): LeaseActs['requestLease'] {
  return async (act) => {
    const { request, now } = act;
    const deadlineAt = new Date(now.getTime() + request.waitTimeoutMs);
    const clocks = [request.waitTimeoutMs, request.heartbeatTimeoutMs, request.maxDurationMs];
    const limits = [...clocks, request.maxRetries];
    const values = [act.id, request.owner, request.idempotencyKey, act.digest, act.pools, request.priority];
    try {
      await database.query(INSERT, [...values, ...limits, now, deadlineAt]);
      return { lease: await readOne(database, act.id), created: true };
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    const known = await database.query(
      `select id, digest from lease where owner = $1 and idempotency_key = $2`,
      [request.owner, request.idempotencyKey],
    );
    if (known[0]?.['digest'] !== act.digest) return 'conflict';
    return { lease: await readOne(database, known[0]['id'] as string), created: false };
  };
}

async function readOne(database: Database, lease: string): Promise<Lease> {
  const [row] = await database.query(`${LEASE_SELECT} where l.id = $1`, [lease]);
  if (row === undefined) throw new Error(`lease ${lease} was written and is not there`);
  return toLease(row);
}

const INSERT = `insert into lease (id, owner, idempotency_key, digest, state, pools, priority, wait_timeout_ms,
    heartbeat_timeout_ms, max_duration_ms, max_retries, requested_at, deadline_at, changed_at)
  values ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $10, $11, $12, $11)`;

/** The nearer of the next heartbeat and the longest duration; never extended beyond the latter. */
const HEARTBEAT = `update lease set changed_at = $3, deadline_at = least(
    $3::timestamptz + heartbeat_timeout_ms * interval '1 millisecond', active_at + max_duration_ms * interval '1 millisecond')
  where id = $1 and owner = $2 and state = 'active'`;

/** An ending lease waits for its machine, whose own overdue states are recovered one by one. */
const WAIT_ON = `update lease set deadline_at = $1::timestamptz + ${ENDING}, changed_at = $1
  where open and state = 'ending' and deadline_at <= $1`;

const OVERDUE = `select id, case when state = 'pending' then (
        select case when count(*) = 0 then 'pool-drained'
          when bool_and(p.hours_reached_at is not null) or exists (select from fleet where hours_reached_at is not null)
          then 'max-machine-hours' else 'no-capacity' end
        from pool p where p.name = any(lease.pools) and not p.draining)
      when active_at + max_duration_ms * interval '1 millisecond' <= $1 then 'max-duration' else 'heartbeat' end as reason
  from lease where open and deadline_at <= $1 and state <> 'ending' order by deadline_at limit $2`;

type End = EndLeaseAct & { overdue: boolean };

/** A match may give a pending lease its machine while we cancel it: then it is active, and ends as that. */
async function endUntilEnded(
  acts: { end(act: End): Promise<void>; readLease(lease: string): Promise<Lease | undefined> },
  act: EndLeaseAct,
): Promise<Lease | undefined> {
  for (let tries = 0; tries < 3; tries += 1) {
    await acts.end({ ...act, overdue: false });
    const lease = await acts.readLease(act.lease);
    if (lease === undefined || (lease.state !== 'pending' && lease.state !== 'active')) return lease;
    if (act.owner !== null && lease.owner !== act.owner) return lease;
  }
  return acts.readLease(act.lease);
}

function createEnd(database: Database): (act: End) => Promise<void> {
  const collect = createCollector<End, true>({
    ...COLLECTED,
    key: (act) => act.lease,
    run: async (acts) => {
      await database.query(END, [JSON.stringify(acts)]);
      return new Map(acts.map((act) => [act.lease, true]));
    },
  });
  return async (act) => void (await collect(act));
}

/**
 * Machines are locked before their leases, as the release does. What follows the lease is its pool's policy: cleaned
 * and used again, or deleted; it is written as the machine's intent in the same statement, with the flow it owes.
 */
const END = `with item as materialized (
    select * from jsonb_to_recordset($1::jsonb) as i (
      lease uuid, owner text, outcome text, reason text, by text, now timestamptz, overdue boolean)
  ),
  target as materialized (
    select l.id, l.machine_id, l.state, i.outcome, i.reason, i.by, i.now, i.overdue
    from item i join lease l on l.id = i.lease and (i.owner is null or l.owner = i.owner)
    where l.id = any(array(select lease from item))
  ),
  old as materialized (
    select m.id, m.pool, m.intent_id, m.uses, t.id as lease, t.outcome, t.reason, t.by, t.now, t.overdue
    from target t join machine m on m.id = t.machine_id order by m.id for update of m
  ),
  ending as (
    update lease l set state = 'ending', outcome = o.outcome, reason = o.reason, changed_at = o.now,
      deadline_at = o.now + ${ENDING}
    from old o where l.id = o.lease and l.state = 'active' and (not o.overdue or l.deadline_at <= o.now)
    returning o.*
  ),
  wish as materialized (
    select e.id, e.outcome, e.by, e.now, gen_random_uuid() as intent,
      case when p.draining or p.recycle = 'delete' or e.uses >= p.max_uses then 'retire' else 'recycle' end as kind
    from ending e join pool p on p.name = e.pool where e.intent_id is null
  ),
  opened as (
    insert into intent (id, machine_id, kind, reason, opened_at)
      select intent, id, kind, 'lease ' || outcome, now from wish
  ),
  upd as (
    update machine m set intent_id = w.intent, intent_kind = w.kind, deadline_at = w.now + interval '1 minute', ring = 0,
      failures = 0, failure = null, changed_by = w.by, changed_at = w.now
    from wish w where m.id = w.id returning m.id, m.pool, m.intent_id, m.changed_at
  ),
  published as (
    insert into outbox (kind, pool, machine_id, intent_id, due_at)
      select 'flow', pool, id, intent_id, changed_at from upd
  )
  update lease l set state = case when t.overdue then 'failed' else 'cancelled' end,
    outcome = case when t.overdue then 'failed' else 'cancelled' end, reason = t.reason, ended_at = t.now,
    deadline_at = null, changed_at = t.now
  from target t where l.id = t.id and t.state = 'pending' and l.outcome is null and l.machine_id is null and (not t.overdue or l.deadline_at <= t.now)`;
