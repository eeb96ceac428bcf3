import type { EntityManager } from '@mikro-orm/postgresql';
import type { IntentKind, MachineState } from '../fleet/lifecycle.ts';
import type { FleetCounts, LeaseQuery, Listed, MachineQuery, TimelineEntry, Views } from '../fleet/views.ts';
import { fromUnitOfWork, type Row } from './database.ts';
import { TransitionEntity } from './entities.ts';
import { readFigures } from './figures.ts';
import { LEASE_SELECT, machineColumns, toLease, toMachine } from './rows.ts';

/** What pages and lists read; each query has a unit of work of its own. */
export function createViews(fork: () => EntityManager): Views {
  return {
    async listLeases(query) {
      const { where, values } = leaseFilter(query);
      const sql = `${LEASE_SELECT} where ${where} order by l.requested_at desc, l.id desc limit ?`;
      return listed(await rows(fork(), sql, [...values, query.limit + 1]), query.limit, toLease);
    },
    async listMachines(query) {
      const { where, values } = machineFilter(query);
      const sql = `select ${machineColumns('m')} from machine m where ${where} order by m.id limit ?`;
      return listed(await rows(fork(), sql, [...values, query.limit + 1]), query.limit, toMachine);
    },
    machineTimeline: (query) => fromUnitOfWork(timeline(fork(), query)),
    countByState: () => countByState(fork()),
    figures: (now) => fromUnitOfWork(readFigures(fork(), now)),
    async openIntents(intents) {
      const sql = `select id from intent where closed_at is null and id::text in (select jsonb_array_elements_text(?::jsonb))`;
      const open = await rows(fork(), sql, [JSON.stringify(intents)]);
      return new Set(open.map((row) => row['id'] as string));
    },
    async leaseByKey(query) {
      const sql = `${LEASE_SELECT} where l.owner = ? and l.idempotency_key = ?`;
      const [row] = await rows(fork(), sql, [query.owner, query.idempotencyKey]);
      return row === undefined
        ? undefined
        : { lease: toLease(toDates(row)), digest: row['digest'] as string };
    },
  };
}

function rows(em: EntityManager, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  return fromUnitOfWork(em.execute<Row[]>(sql, [...values]));
}

function listed<Item>(found: readonly Row[], limit: number, to: (row: Row) => Item): Listed<Item> {
  return { items: found.slice(0, limit).map((row) => to(toDates(row))), more: found.length > limit };
}

/** The ORM's driver answers instants and counters of raw statements as text. */
function toDates(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      if (typeof value !== 'string') return [column, value];
      if (/_at$|_until$|_since$/.test(column)) return [column, new Date(value)];
      return [column, /^(token|.*_ms)$/.test(column) ? Number(value) : value];
    }),
  );
}

interface Filter {
  where: string;
  values: unknown[];
}

function filter(parts: readonly (readonly [condition: string, ...values: unknown[]] | undefined)[]): Filter {
  const used = parts.filter((part) => part !== undefined);
  return {
    where: used.map(([condition]) => condition).join(' and ') || 'true',
    values: used.flatMap(([, ...values]) => values),
  };
}

function leaseFilter(query: LeaseQuery): Filter {
  return filter([
    query.owner === null ? undefined : ['l.owner = ?', query.owner],
    query.state === null ? undefined : ['l.state = ?', query.state],
    query.pool === null
      ? undefined
      : [`(l.pool = ? or (l.pool is null and ? = any(l.pools)))`, query.pool, query.pool],
    query.after === null
      ? undefined
      : [`(l.requested_at, l.id) < (select a.requested_at, a.id from lease a where a.id = ?)`, query.after],
  ]);
}

function machineFilter(query: MachineQuery): Filter {
  return filter([
    query.pool === null ? undefined : ['m.pool = ?', query.pool],
    query.state === null ? ['m.live'] : ['m.state = ?', query.state],
    query.setAside === null ? undefined : ['(m.refusals > 0) = ?', query.setAside],
    query.after === null ? undefined : ['m.id > ?', query.after],
  ]);
}

async function timeline(
  em: EntityManager,
  query: { machine: string; limit: number },
): Promise<readonly TimelineEntry[]> {
  const where = { machineId: query.machine, entity: 'machine' };
  const found = await em.find(TransitionEntity, where, { orderBy: { seq: 'desc' }, limit: query.limit });
  return found.toReversed().map((row) => ({
    at: row.at,
    from: row.fromState as MachineState | null,
    to: row.toState as MachineState,
    by: row.by ?? '',
    token: Number(row.token),
    intentKind: row.intentKind as IntentKind | null,
    lease: row.leaseId ?? null,
    reason: row.outcome ?? null,
  }));
}

async function countByState(em: EntityManager): Promise<FleetCounts> {
  const pools = await rows(em, `select name from pool order by name`);
  const machines = await rows(
    em,
    `select pool, state, count(*)::integer as n from machine where live group by pool, state`,
  );
  const leases = await rows(em, LEASES_BY_POOL);
  const all = await rows(em, `select state, count(*)::integer as n from lease group by state`);
  return {
    pools: pools.map((row) => {
      const pool = row['name'] as string;
      return { pool, machines: counts(machines, pool), leases: counts(leases, pool) };
    }),
    leases: counts(all),
  };
}

const LEASES_BY_POOL = `select p.name as pool, l.state, count(*)::integer as n from pool p
    join lease l on l.pool = p.name or (l.pool is null and p.name = any(l.pools)) group by p.name, l.state`;

function counts(found: readonly Row[], pool?: string): Record<string, number> {
  const mine = found.filter((row) => pool === undefined || row['pool'] === pool);
  return Object.fromEntries(mine.map((row) => [row['state'] as string, row['n'] as number]));
}
