import type { InventoryItem } from '../../fleet/provider.ts';
import type { SweepAct, SweepResult } from '../../fleet/reconcile-acts.ts';
import { condemn } from './condemn.ts';
import { after } from './due.ts';
import type { Memory } from './memory.ts';
import { openIntent } from './open-intent.ts';
import type { InstanceRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** Compares a whole listing with the instances known at its placement; both directions want two sightings. */
export function sweep(memory: Memory, act: SweepAct): SweepResult {
  const { tables } = memory;
  const { now, by } = act;
  const sighted = sight(tables, act);
  // Counted from when the listing began: one that took long to arrive tells no more than it did then.
  const settleBefore = after(act.listedAt, -act.graceMs);
  const listed = new Map(act.items.map((item) => [item.instance, item]));
  const strays = here(tables, act).filter(
    (row) =>
      isStray(tables, row, { item: listed.get(row.id), settleBefore }) &&
      !isOfALaunch(tables, act, row.batch),
  );
  const instances = strays.map((row) => row.id);
  const condemned = condemn(memory, { instances, reason: 'seen in the cloud, owned by nobody', now, by });
  for (const row of here(tables, act)) {
    const item = listed.get(row.id);
    if (row.missingSince !== null && item !== undefined && item.state !== 'gone') {
      tables.instances.put({ ...row, missingSince: null });
    }
  }
  const lost = missing(tables, act, { listed, settleBefore }).filter(
    (machine) => openIntent(memory, { ...LOST, machine, by, now }).granted,
  );
  return { sighted, condemned, lost };
}

/** Its user is told at once; the machine goes through stop and release to its deletion like any other. */
const LOST = { kind: 'retire', reason: 'its instance is gone', outcome: 'lost', deadlines: {} } as const;

function here(tables: Tables, act: SweepAct): InstanceRow[] {
  const { pool, name } = act.placement;
  return tables.instances.where((row) => row.pool === pool && row.placement === name);
}

function isThere(item: InventoryItem): boolean {
  return item.state !== 'gone' && item.state !== 'deleting';
}

/** True where a launch at the placement is still going on that may have made it. */
function isOfALaunch(tables: Tables, { placement }: SweepAct, batch: string | null): boolean {
  const launches = tables.batches.where(
    (row) =>
      row.verb === 'launch' &&
      row.endedAt === null &&
      row.state !== 'open' &&
      (batch === null || row.id === batch),
  );
  return launches.some(
    (row) => row.placement.pool === placement.pool && row.placement.name === placement.name,
  );
}

/** Writes down instances never seen before; answers how many. */
function sight(tables: Tables, act: SweepAct): number {
  const unknown = act.items.filter(
    (item) =>
      isThere(item) &&
      tables.instances.get(item.instance) === undefined &&
      !isOfALaunch(tables, act, item.batch),
  );
  for (const item of unknown) {
    const batch = item.batch === null ? undefined : tables.batches.get(item.batch);
    tables.instances.put({
      ...{ id: item.instance, pool: act.placement.pool, placement: act.placement.name },
      ...{ batch: batch?.id ?? null, machine: null, address: item.address, sightedAt: act.now },
      ...{ missingSince: null, condemnedAt: null, goneAt: null, gone: null },
      ...{ changedBy: act.by, changedAt: act.now },
    });
  }
  return unknown.length;
}

/** An instance of a batch that is still going on is that batch's to adopt or to condemn. */
function isStray(
  tables: Tables,
  row: InstanceRow,
  seen: { item: InventoryItem | undefined; settleBefore: Date },
): boolean {
  if (seen.item === undefined || !isThere(seen.item)) return false;
  if (row.machine !== null || row.condemnedAt !== null || row.goneAt !== null) return false;
  const batch = row.batch === null ? undefined : tables.batches.get(row.batch);
  return row.sightedAt <= seen.settleBefore && (batch === undefined || batch.endedAt !== null);
}

/** Gone is what a whole listing says twice, or what it names as gone; answers the machines whose instance is. */
function missing(
  tables: Tables,
  act: SweepAct,
  seen: { listed: ReadonlyMap<string, InventoryItem>; settleBefore: Date },
): string[] {
  const machines: string[] = [];
  for (const row of here(tables, act)) {
    const item = seen.listed.get(row.id);
    const isAbsent = item === undefined || item.state === 'gone';
    if (row.goneAt !== null || row.sightedAt >= act.listedAt || !isAbsent) continue;
    const gone = toldBy(row, item, seen.settleBefore);
    if (gone === undefined) {
      if (row.missingSince === null) tables.instances.put({ ...row, missingSince: act.now });
      continue;
    }
    tables.instances.put({ ...row, goneAt: act.now, gone, changedBy: act.by, changedAt: act.now });
    if (row.machine !== null) machines.push(row.machine);
  }
  return machines.toSorted();
}

function toldBy(
  row: InstanceRow,
  item: InventoryItem | undefined,
  settleBefore: Date,
): NonNullable<InstanceRow['gone']> | undefined {
  if (item?.state === 'gone') return 'listed-gone';
  return row.missingSince !== null && row.missingSince <= settleBefore ? 'absent-from-listing' : undefined;
}
