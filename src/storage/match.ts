import type { Lease } from '../fleet/pool.ts';
import type { LeaseActs } from '../fleet/store.ts';
import type { Database } from './database.ts';
import { LEASE_SELECT, toLease } from './rows.ts';

/** A look that found both sides but paired none met another match at work; it soon ends, so look again. */
const TRIES = 10;

type Match = LeaseActs['match'];

/**
 * Pairs pending requests with ready machines; run the moment either appears. Of a burst of requests for one pool all
 * that come while a match runs share the next one: it begins after each of them was written, which is all they need.
 */
export function createMatch(database: Database): Match {
  const running = new Map<string, ReturnType<Match>>();
  const waiting = new Map<string, ReturnType<Match>>();
  const begin = (act: Parameters<Match>[0]): ReturnType<Match> => {
    const match = matchOnce(database, act).finally(() => running.delete(act.pool.name));
    running.set(act.pool.name, match);
    return match;
  };
  return (act) => {
    const { name } = act.pool;
    const current = running.get(name);
    if (current === undefined) return begin(act);
    const shared = waiting.get(name);
    if (shared !== undefined) return shared;
    const next = current
      .catch(() => undefined)
      .then(() => {
        waiting.delete(name);
        return begin(act);
      });
    waiting.set(name, next);
    return next;
  };
}

async function matchOnce(database: Database, act: Parameters<Match>[0]): ReturnType<Match> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [row] = await database.query(MATCH, [act.pool.name, act.now, act.by, act.limit]);
    const leases = (row?.['leases'] ?? []) as string[];
    if (leases.length > 0) return readLeases(database, leases);
    if (row?.['both'] !== true) return [];
  }
  return [];
}

async function readLeases(database: Database, leases: readonly string[]): Promise<readonly Lease[]> {
  return (await database.query(`${LEASE_SELECT} where l.id = any($1::uuid[])`, [leases])).map(toLease);
}

/**
 * Requests by priority, then fairly between owners (who holds and asks for fewer goes first), then by age; machines
 * ready the longest first. A machine with an open intent is not ready to anybody. `both` tells whether, in this very
 * snapshot, there was something on both sides: of two matches that got in each other's way the later one sees it.
 * What is asked for is found by its key alone: in the words of the index on pending requests the planner would walk
 * all of those for each.
 */
const MATCH = `with ready as materialized (
    select count(*) as machines from machine where pool = $1 and idle
  ),
  holding as (select owner, count(*) as leases from lease where held is not null group by owner),
  wanted as materialized (
    select id, priority, requested_at, holding + row_number() over (partition by owner, priority order by requested_at, id) as turn
    from (
      select l.id, l.owner, l.priority, l.requested_at, coalesce(h.leases, 0) as holding
      from lease l left join holding h on h.owner = l.owner
      where l.pending and $1 = any(l.pools) and l.deadline_at > $2 and (select machines from ready) > 0
    ) pending
    order by priority desc, turn, requested_at, id limit (select least(machines, $4) from ready)
  ),
  asked as materialized (
    select id, row_number() over (order by priority desc, turn, requested_at, id) as n
    from (
      select l.id, w.priority, w.turn, w.requested_at from wanted w join lease l on l.id = w.id
      where l.outcome is null and l.machine_id is null for update of l skip locked
    ) l
  ),
  free as materialized (
    select id, row_number() over (order by state_since, id) as n from (
      select m.id, m.state_since from machine m where m.pool = $1 and m.idle
      order by m.state_since, m.id limit (select count(*) from asked) for update skip locked
    ) m
  ),
  pair as materialized (select a.id as lease, f.id as machine from asked a join free f using (n)),
  held as (
    update lease l set state = 'active', machine_id = p.machine, pool = $1, active_at = $2, changed_at = $2,
      deadline_at = $2::timestamptz + least(l.heartbeat_timeout_ms, l.max_duration_ms) * interval '1 millisecond'
    from pair p where l.id = p.lease returning l.id, l.machine_id, l.max_duration_ms
  ),
  leased as (
    update machine m set state = 'leased', lease_id = h.id, clean = false, uses = m.uses + 1, token = m.token + 1,
      state_since = $2, deadline_at = $2::timestamptz + h.max_duration_ms * interval '1 millisecond',
      changed_by = $3, changed_at = $2
    from held h where m.id = h.machine_id returning m.id
  )
  select (select coalesce(array_agg(id::text), '{}') from held) as leases, (select count(*) from leased) as machines,
    (select machines from ready) > 0
      and exists (select from lease where pending and $1 = any(pools) and deadline_at > $2) as both`;
