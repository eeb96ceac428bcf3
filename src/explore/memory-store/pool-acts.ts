import type { Pool } from '../../fleet/pool.ts';
import { COMING } from '../../fleet/scaling.ts';
import type { PoolActs, PoolView, ProvisionAct } from '../../fleet/store.ts';
import { ringFlow } from './bells.ts';
import { NEWBORN } from './condemn.ts';
import { byOrder, dueAt } from './due.ts';
import { areHoursLeft, areHoursReached } from './machine-hours.ts';
import { atomic, type Memory } from './memory.ts';
import type { MachineRow, PoolRow } from './rows.ts';
import type { Tables } from './tables.ts';

export function createPoolActs(memory: Memory): PoolActs {
  const { tables } = memory;
  return {
    applyPools: atomic(memory, applyPools),
    pools: () =>
      Promise.resolve(
        tables.pools
          .all()
          .toSorted(byOrder(() => []))
          .map((row) => row.pool),
      ),
    pool: (name) => Promise.resolve(tables.pools.get(name)?.pool),
    viewPool: (name) => Promise.resolve(viewPool(tables, name)),
    provision: atomic(memory, provision),
  };
}

/** The file owns its pools: one it no longer names drains; a pool of the API's is not the file's to change. */
function applyPools({ tables }: Memory, act: { pools: readonly Pool[]; now: Date }): void {
  const known = tables.pools.all();
  for (const pool of act.pools) {
    const row = tables.pools.get(pool.name);
    const kept = { version: row?.version ?? 0, hoursReachedAt: row?.hoursReachedAt ?? null };
    tables.pools.put({ id: pool.name, ...kept, pool: withRetired(pool, row) });
  }
  const named = new Set(act.pools.map((pool) => pool.name));
  for (const row of known) {
    if (row.pool.owner !== 'file' || named.has(row.id)) continue;
    tables.pools.put({ ...row, pool: { ...row.pool, draining: true } });
  }
}

/** A placement that is named no longer is kept, for the machines that still are there. */
function withRetired(pool: Pool, row: PoolRow | undefined): Pool {
  const named = new Set(pool.placements.map((placement) => placement.name));
  const known = [...(row?.pool.placements ?? []), ...(row?.pool.retiredPlacements ?? [])];
  return { ...pool, retiredPlacements: known.filter((placement) => !named.has(placement.name)) };
}

function viewPool(tables: Tables, name: string): PoolView | undefined {
  const row = tables.pools.get(name);
  if (row === undefined) return undefined;
  const machines = tables.machines
    .where((each) => each.pool === name && each.state !== 'deleted')
    .toSorted(byOrder((each) => [each.stateSince.getTime()]));
  const cooling = tables.placements.where((each) => each.pool === name);
  return {
    pool: row.pool,
    version: row.version,
    machines: machines.length,
    coming: machines.filter(isComing).length,
    resting: machines
      .filter((each) => each.intent === null && (each.state === 'ready' || each.state === 'parked'))
      .map(({ id, state, token, stateSince }) => ({ id, state, token, stateSince })),
    unowned: unowned(tables, name),
    hoursReached: areHoursReached(tables, row),
    pending: tables.leases.where((each) => each.state === 'pending' && each.pools.includes(name)).length,
    coolUntil: Object.fromEntries(
      cooling.flatMap((each) => (each.coolUntil === null ? [] : [[each.name, each.coolUntil]])),
    ),
  };
}

function isComing({ intentKind, state }: MachineRow): boolean {
  const { intents, states }: { intents: readonly (string | null)[]; states: readonly string[] } = COMING;
  return intents.includes(intentKind) && states.includes(state);
}

function unowned(tables: Tables, pool: string): number {
  return tables.instances.where((each) => each.pool === pool && each.machine === null && each.goneAt === null)
    .length;
}

function provision({ tables, newId }: Memory, act: ProvisionAct): readonly string[] {
  const row = tables.pools.get(act.pool.name);
  if (row === undefined || row.version !== act.version || row.pool.draining) return [];
  if (!areHoursLeft(tables, row, act.now)) return [];
  tables.pools.put({ ...row, version: row.version + 1 });
  const machines = tables.machines.where((each) => each.pool === row.id && each.state !== 'deleted').length;
  const room = row.pool.max - machines - unowned(tables, row.id);
  const { reason, now, by } = act;
  return Array.from({ length: Math.max(0, Math.min(act.count, room)) }, () => {
    const machine: MachineRow = {
      ...NEWBORN,
      ...{ id: newId('machine'), pool: row.id, placement: act.placement, state: 'requested' },
      ...{ intent: newId('intent'), intentKind: 'provision', stateSince: now },
      ...{ deadlineAt: dueAt(now, act.pool.deadlines, 'requested'), changedBy: by, changedAt: now },
    };
    tables.machines.put(machine);
    tables.intents.put({
      ...{ id: machine.intent ?? '', machine: machine.id, kind: 'provision', reason },
      ...{ closedAt: null, closedWhy: null },
    });
    ringFlow(tables, machine, now);
    return machine.id;
  });
}
