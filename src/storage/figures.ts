import type { EntityManager } from '@mikro-orm/postgresql';
import type { FleetFigures } from '../fleet/figures.ts';

/** One statement, and so one instant: what moves from one figure to another meanwhile is in exactly one of them. */
export async function readFigures(em: EntityManager, now: Date): Promise<FleetFigures> {
  const [row] = await em.execute<{ figures: FleetFigures }[]>(FIGURES, [now]);
  if (row === undefined) throw new Error('a statement without conditions answered no row');
  return row.figures;
}

/** Rows of a query as a list of objects. */
const list = (query: string): string => `(select coalesce(jsonb_agg(q), '[]') from (${query}) q)`;

const age = (instant: string): string =>
  `greatest(0, extract(epoch from t.now - ${instant}))::double precision`;

/** What is there and what was purged of one kind, by place and label. */
const total = (there: string, kind: string, names: { place: string; label?: string }): string => {
  const { place, label } = names;
  const shown = label === undefined ? `place as "${place}"` : `place as "${place}", label as "${label}"`;
  const groups = label === undefined ? 'place' : 'place, label';
  return list(`select ${shown}, sum(n)::bigint as count from (
      ${there} union all select place, label, count as n from purged where kind = '${kind}') each
    group by ${groups} order by ${groups}`);
};

const MACHINES_THERE = `select pool as place, state as label, count(*) as n from machine group by pool, state`;
const TOMBSTONES = `select pool as place, state as label, count(*) as n from machine where state = 'deleted' group by pool, state`;
const LEASES_ENDED = `select coalesce(pool, '') as place, state as label, count(*) as n from lease
      where ended_at is not null group by pool, state`;
const BATCHES_ENDED = `select lane as place, verb as label, count(*) as n from batch
      where ended_at is not null group by lane, verb`;

const PARTS: Record<keyof Omit<FleetFigures, 'total'>, string> = {
  pools: list(
    `select name as pool, max, coalesce((spec ->> 'minIdle')::integer, 0) as "minIdle", draining from pool order by name`,
  ),
  machines: list(`select pool, state, count(*) from machine where live group by pool, state`),
  overdueMachines: list(
    `select m.pool, m.state, count(*) from machine m where m.live and m.deadline_at <= t.now group by m.pool, m.state`,
  ),
  owed: list(
    `select pool, owed as step, count(*) from machine where live and owed is not null group by pool, owed`,
  ),
  setAside: list(
    `select m.pool, count(*), ${age('min(m.refused_since)')} as "oldestSeconds"
      from machine m where m.live and m.refusals > 0 group by m.pool`,
  ),
  leases: list(`select state, count(*) from lease where open group by state`),
  poolLeases: list(
    `select p.name as pool, l.state, count(*), ${age('min(coalesce(l.active_at, l.requested_at))')} as "oldestSeconds"
      from pool p join lease l on l.pool = p.name or (l.pool is null and p.name = any(l.pools))
      where l.open group by p.name, l.state`,
  ),
  overdueLeases: `(select count(*) from lease l where l.open and l.deadline_at <= t.now)`,
  batches: list(
    `select lane, verb, state, count(*), count(*) filter (where failures > 0) as failing
      from batch where ended_at is null group by lane, verb, state`,
  ),
  outbox: `(select jsonb_build_object('due', count(*), 'oldestSeconds', coalesce(${age('min(o.due_at)')}, 0))
    from outbox o where o.due_at <= t.now)`,
  placements: list(
    `select c.pool, c.name as placement, c.failures,
        coalesce(greatest(0, extract(epoch from c.cool_until - t.now)), 0)::double precision as "coolSeconds"
      from placement c`,
  ),
  sweeps: list(
    `select s.pool, s.placement, ${age('s.listed_at')} as "listedSecondsAgo", s.halted_at is not null as halted,
        s.sighted, s.condemned, s.lost, (select count(*) from left_over o
          where o.pool = s.pool and o.placement = s.placement and o.condemned_at is not null) as "leftOvers"
      from sweep s where s.listed_at is not null`,
  ),
  frozen: list(`select verb, frozen_at is not null as frozen from frozen`),
};

const TOTALS: Record<keyof FleetFigures['total'], string> = {
  machinesRequested: total(MACHINES_THERE, 'machine', { place: 'pool' }),
  machinesDeleted: total(TOMBSTONES, 'machine', { place: 'pool' }),
  leasesEnded: total(LEASES_ENDED, 'lease', { place: 'pool', label: 'state' }),
  batchesEnded: total(BATCHES_ENDED, 'batch', { place: 'lane', label: 'verb' }),
};

const object = (parts: Record<string, string>): string =>
  `jsonb_build_object(${Object.entries(parts)
    .map(([name, sql]) => `'${name}', ${sql}`)
    .join(', ')})`;

const FIGURES = `select ${object({ ...PARTS, total: object(TOTALS) })} as figures from (select ?::timestamptz as now) t`;
