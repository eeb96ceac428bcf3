import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { dayOf } from '../fleet/machine-hours.ts';
import type { Pool } from '../fleet/pool.ts';
import { COMING } from '../fleet/scaling.ts';
import type { PoolActs, PoolView, ProvisionAct, Resting } from '../fleet/store.ts';
import { type Database, fromUnitOfWork, type Sql } from './database.ts';
import { PoolEntity } from './entities.ts';
import { hoursLeft } from './machine-hours.ts';

/** `fork` hands out a unit of work of its own: one for each act. */
export function createPoolActs(database: Database, fork: () => EntityManager): PoolActs {
  return {
    applyPools: (act) => fromUnitOfWork(applyPools(fork(), act)),
    async pools() {
      const found = fork().find(PoolEntity, {}, { orderBy: { name: 'asc' } });
      return (await fromUnitOfWork(found)).map(toPool);
    },
    async pool(name) {
      const found = await fromUnitOfWork(fork().findOne(PoolEntity, { name }));
      return found === null ? undefined : toPool(found);
    },
    viewPool: (name) => viewPool(database, name),
    provision: (act) => database.transaction((sql) => provision(sql, act)),
  };
}

interface PoolRow {
  name: string;
  spec: Record<string, unknown>;
  owner: 'file' | 'api';
  draining: boolean;
}

function toPool(row: PoolRow): Pool {
  return { ...(row.spec as unknown as Pool), name: row.name, owner: row.owner, draining: row.draining };
}

/** The file owns its pools: one it no longer names drains; a pool of the API's is not the file's to change. */
async function applyPools(em: EntityManager, act: { pools: readonly Pool[]; now: Date }): Promise<void> {
  await em.transactional(async (inside) => {
    const known = await inside.find(PoolEntity, {}, LOCKED);
    for (const pool of act.pools) {
      const row = known.find((each) => each.name === pool.name);
      const values = {
        spec: toSpec(pool, row),
        owner: pool.owner,
        draining: pool.draining,
        recycle: pool.recycle,
        maxUses: pool.maxUses,
        max: pool.max,
        maxMachineHours: pool.maxMachineHoursPerDay,
        updatedAt: act.now,
      };
      if (row === undefined)
        inside.create(PoolEntity, { ...values, name: pool.name, version: '0', createdAt: act.now });
      else inside.assign(row, values);
    }
    const named = new Set(act.pools.map((pool) => pool.name));
    for (const row of known) if (row.owner === 'file' && !named.has(row.name)) row.draining = true;
  });
}

const LOCKED = { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { name: 'asc' } } as const;

/** A placement that is named no longer is kept, for the machines that still are there. */
function toSpec(pool: Pool, row: PoolRow | undefined): Record<string, unknown> {
  const before = row === undefined ? undefined : toPool(row);
  const named = new Set(pool.placements.map((placement) => placement.name));
  const known = [...(before?.placements ?? []), ...(before?.retiredPlacements ?? [])];
  const retiredPlacements = known.filter((placement) => !named.has(placement.name));
  return JSON.parse(JSON.stringify({ ...pool, retiredPlacements })) as Record<string, unknown>;
}

async function viewPool(sql: Sql, name: string): Promise<PoolView | undefined> {
  const [row] = await sql.query(VIEW, [name, COMING.intents, COMING.states]);
  if (row === undefined) return undefined;
  const resting = (row['resting'] ?? []) as (Omit<Resting, 'stateSince'> & { stateSince: string })[];
  const cooling = Object.entries((row['cooling'] ?? {}) as Record<string, string>);
  return {
    pool: toPool(row as unknown as PoolRow),
    version: row['version'] as number,
    machines: row['machines'] as number,
    coming: row['coming'] as number,
    resting: resting.map((each) => ({ ...each, stateSince: new Date(each.stateSince) })),
    unowned: row['unowned'] as number,
    pending: row['pending'] as number,
    hoursReached: row['hours_reached'] as boolean,
    coolUntil: Object.fromEntries(cooling.map(([placement, until]) => [placement, new Date(until)])),
  };
}

/** All of it from one snapshot, and in one pass over the pool's machines, which may be thousands. */
const VIEW = `select p.name, p.spec, p.owner, p.draining, p.version,
    (p.hours_reached_at is not null or exists (select from fleet where hours_reached_at is not null)) as hours_reached,
    m.machines, m.coming, m.resting,
    (select count(*)::integer from instance i where i.pool = p.name and i.machine_id is null and i.gone_at is null) as unowned,
    (select count(*)::integer from lease l where l.pending and p.name = any(l.pools)) as pending,
    (select jsonb_object_agg(c.name, c.cool_until) from placement c where c.pool = p.name and c.cool_until is not null) as cooling
  from pool p, (
    select count(*)::integer as machines,
      count(*) filter (where intent_kind = any($2::text[]) and state = any($3::text[]))::integer as coming,
      jsonb_agg(jsonb_build_object('id', id, 'state', state, 'token', token, 'stateSince', state_since)
        order by state_since, id) filter (where intent_id is null and state in ('ready', 'parked')) as resting
    from machine where pool = $1 and live
  ) m
  where p.name = $1`;

async function provision(sql: Sql, act: ProvisionAct): Promise<readonly string[]> {
  const values = [act.pool.name, act.version, act.placement, act.count, act.reason, act.now, act.by];
  const grows = [act.pool.name, act.version, act.now, dayOf(act.now).begin];
  const [pool] = await sql.query(GROW, grows);
  if (pool === undefined) return [];
  const deadlineMs = act.pool.deadlines.requested ?? null;
  const rows = await sql.query(PROVISION, [...values, pool['max'], deadlineMs]);
  return rows.map((row) => row['id'] as string);
}

const GROW = `update pool p set version = version + 1
  where p.name = $1 and p.version = $2 and not p.draining and ${hoursLeft('p', { now: '$3', begin: '$4' })}
  returning p.max`;

/** The pool's row is locked: nobody else can be adding to it while this counts what it has. */
const PROVISION = `with had as (
    select (select count(*) from machine where pool = $1 and live)
      + (select count(*) from instance where pool = $1 and machine_id is null and gone_at is null) as machines
    where $2::bigint is not null
  ),
  added as (
    insert into machine (id, pool, placement, state, intent_id, intent_kind, state_since, deadline_at, created_at,
        changed_by, changed_at)
      select gen_random_uuid(), $1, $3, 'requested', gen_random_uuid(), 'provision', $6,
        $6::timestamptz + $9::double precision * interval '1 millisecond', $6, $7, $6
      from had, generate_series(1, least($4::bigint, $8::bigint - had.machines))
      returning id, pool, intent_id
  ),
  intended as (
    insert into intent (id, machine_id, kind, reason, opened_at) select intent_id, id, 'provision', $5, $6 from added
  ),
  published as (
    insert into outbox (kind, pool, machine_id, intent_id, due_at) select 'flow', pool, id, intent_id, $6 from added
  )
  select id from added`;
