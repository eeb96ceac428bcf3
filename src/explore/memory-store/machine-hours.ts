import {
  type FleetHours,
  type HoursActs,
  hoursOf,
  type HoursTurn,
  type MachineHours,
} from '../../fleet/machine-hours.ts';
import { byOrder } from './due.ts';
import { atomic, type Memory } from './memory.ts';
import type { PoolRow } from './rows.ts';
import type { Tables } from './tables.ts';

export function createHoursActs(memory: Memory): HoursActs {
  const { tables } = memory;
  return {
    limitMachineHours: atomic(memory, ({ tables: { fleet } }, { maxPerDay }: { maxPerDay: number | null }) =>
      fleet.put({ id: FLEET, reachedAt: fleet.get(FLEET)?.reachedAt ?? null, maxPerDay }),
    ),
    machineHours: ({ now }) => Promise.resolve(hours(tables, now)),
    noteMachineHours: atomic(memory, note),
  };
}

/** The id of the only row of its table. */
const FLEET = 'fleet';

/** True where neither its limit nor the fleet's is reached, as counted now and as noted. */
export function areHoursLeft(tables: Tables, row: PoolRow, now: Date): boolean {
  if (areHoursReached(tables, row)) return false;
  const { pools, ...fleet } = hours(tables, now);
  return ![pools[row.id], fleet].some((each) => each !== undefined && isReached(each));
}

/** True where its limit or the fleet's is noted as reached. */
export function areHoursReached(tables: Tables, row: PoolRow): boolean {
  return row.hoursReachedAt !== null || (tables.fleet.get(FLEET)?.reachedAt ?? null) !== null;
}

function isReached({ used, maxPerDay }: MachineHours): boolean {
  return maxPerDay !== null && used >= maxPerDay;
}

function hours(tables: Tables, now: Date): FleetHours {
  const used = (pool: string | null): number =>
    tables.instances
      .where((each) => pool === null || each.pool === pool)
      .reduce((sum, each) => sum + hoursOf({ from: each.sightedAt, until: each.goneAt }, now), 0);
  const pools = tables.pools.all().map(({ id, pool, hoursReachedAt }): [string, MachineHours] => {
    return [id, { used: used(id), maxPerDay: pool.maxMachineHoursPerDay, reachedAt: hoursReachedAt }];
  });
  const { maxPerDay = null, reachedAt = null } = tables.fleet.get(FLEET) ?? {};
  return { used: used(null), maxPerDay, reachedAt, pools: Object.fromEntries(pools) };
}

function note({ tables }: Memory, { now }: { now: Date; by: string }): readonly HoursTurn[] {
  const { pools, ...fleet } = hours(tables, now);
  const turns: HoursTurn[] = [];
  for (const row of tables.pools.all().toSorted(byOrder(() => []))) {
    const turn = turnOf(pools[row.id], now);
    if (turn === undefined) continue;
    tables.pools.put({ ...row, hoursReachedAt: turn.reached ? now : null });
    turns.push({ pool: row.id, ...turn });
  }
  const turn = turnOf(fleet, now);
  if (turn === undefined) return turns;
  tables.fleet.put({ id: FLEET, maxPerDay: fleet.maxPerDay, reachedAt: turn.reached ? now : null });
  return [...turns, { pool: null, ...turn }];
}

/** A look from before the limit was reached does not take back what was noted since. */
function turnOf(hoursNow: MachineHours | undefined, now: Date): Omit<HoursTurn, 'pool'> | undefined {
  if (hoursNow === undefined) return undefined;
  const { reachedAt, ...told } = hoursNow;
  const reached = isReached(hoursNow);
  if (reached === (reachedAt !== null) || (reachedAt !== null && reachedAt > now)) return undefined;
  return { ...told, reached };
}
