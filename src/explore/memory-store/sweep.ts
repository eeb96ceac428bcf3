import { judgeSweep, type SweepCounts, type SweepVerdict } from '../../fleet/brakes.ts';
import type { InventoryItem } from '../../fleet/provider.ts';
import type { SweepAct, SweepResult } from '../../fleet/reconcile-acts.ts';
import { condemn } from './condemn.ts';
import { after } from './due.ts';
import { condemnLeftOvers, sightLeftOvers } from './left-overs.ts';
import type { Memory } from './memory.ts';
import { openIntent } from './open-intent.ts';
import { type InstanceRow, placementKey } from './rows.ts';
import type { Tables } from './tables.ts';

/** Compares a whole listing with the instances known at its placement; both directions want two sightings. */
export function sweep(memory: Memory, act: SweepAct): SweepResult {
  const { tables } = memory;
  const { now, by } = act;
  const interrupted = loseMachines(memory, interruptedOf(tables, act), {
    ...{ now, by, reason: 'the cloud takes its instance away' },
  });
  const sighted = sight(tables, act);
  // Counted from when the listing began: one that took long to arrive tells no more than it did then.
  const settleBefore = after(act.listedAt, -act.graceMs);
  const listed = new Map(act.items.map((item) => [item.instance, item]));
  const leftOvers = sightLeftOvers(tables, act, settleBefore);
  const instances = straysOf(tables, act, { listed, settleBefore });
  const absent = absentOf(tables, act, { listed, settleBefore });
  const { verdict, why, counts } = judge(tables, act, { condemns: instances.length, leftOvers, absent });
  const told = { sighted, verdict, why, counts };
  const isHeld = verdict !== 'go';
  const reason = 'seen in the cloud, owned by nobody';
  const condemned = isHeld ? [] : condemn(memory, { instances, reason, now, by });
  const due = isHeld ? [] : condemnLeftOvers(tables, act, settleBefore);
  for (const row of here(tables, act)) {
    const item = listed.get(row.id);
    if (row.missingSince !== null && item !== undefined && item.state !== 'gone') {
      tables.instances.put({ ...row, missingSince: null });
    }
  }
  const missing = miss(tables, act, { absent, isHeld });
  const gone = loseMachines(memory, missing, { now, by, reason: 'its instance is gone' });
  return { ...told, condemned, leftOvers: due, lost: [...interrupted, ...gone] };
}

function judge(
  tables: Tables,
  act: SweepAct,
  { condemns, leftOvers, absent }: { condemns: number; leftOvers: number; absent: readonly Absent[] },
): { verdict: SweepVerdict; why: string; counts: SweepCounts } {
  const { pool, name } = act.placement;
  const id = placementKey(act.placement);
  const last = tables.sweeps.get(id);
  const ours = absent.filter(({ row }) => row.machine !== null && row.condemnedAt === null);
  const isKnown = ({ row }: Absent): boolean =>
    row.missingSince !== null || (last !== undefined && row.sightedAt < last.listedAt);
  const counts = {
    machines: tables.machines.where((each) => each.pool === pool && each.state !== 'deleted').length,
    ...{ condemns, leftOvers },
    ends: ours.filter((each) => each.gone !== undefined).length,
    vanished: ours.filter(isKnown).length,
  };
  const { verdict, why, record } = judgeSweep({ ...act, counts, last });
  tables.sweeps.put({ ...record, id, pool, name });
  return { verdict, why, counts };
}

/** Its user is told at once; the machine goes through stop and release to its deletion like any other. */
function loseMachines(
  memory: Memory,
  machines: readonly string[],
  { by, now, reason }: { by: string; now: Date; reason: string },
): string[] {
  const what = { kind: 'retire', reason, outcome: 'lost', deadlines: {} } as const;
  return machines.filter((machine) => openIntent(memory, { ...what, machine, by, now }).granted);
}

/** What the cloud says that it takes away, and nobody here has retired. */
function interruptedOf(tables: Tables, act: SweepAct): string[] {
  const taken = act.items.filter(
    ({ state, interrupted }) => state === 'deleting' || (interrupted === true && state !== 'gone'),
  );
  const ids = new Set(taken.map((item) => item.instance));
  const rows = here(tables, act).filter((row) => ids.has(row.id) && row.goneAt === null);
  return rows
    .flatMap((row) => tables.machines.get(row.machine ?? '') ?? [])
    .filter((machine) => machine.state !== 'deleted' && machine.intentKind !== 'retire')
    .map((machine) => machine.id)
    .toSorted();
}

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

interface Seen {
  listed: ReadonlyMap<string, InventoryItem>;
  settleBefore: Date;
}

function straysOf(tables: Tables, act: SweepAct, { listed, settleBefore }: Seen): string[] {
  const strays = here(tables, act).filter(
    (row) =>
      isStray(tables, row, { item: listed.get(row.id), settleBefore }) &&
      !isOfALaunch(tables, act, row.batch),
  );
  return strays.map((row) => row.id);
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

interface Absent {
  row: InstanceRow;
  /** What says that it is gone; undefined while nothing does. */
  gone: InstanceRow['gone'] | undefined;
}

/** Gone is what a whole listing says twice, or what it names as gone. */
function absentOf(tables: Tables, act: SweepAct, { listed, settleBefore }: Seen): Absent[] {
  return here(tables, act).flatMap((row) => {
    const item = listed.get(row.id);
    const isAbsent = item === undefined || item.state === 'gone';
    if (row.goneAt !== null || row.sightedAt >= act.listedAt || !isAbsent) return [];
    return [{ row, gone: toldBy(row, item, settleBefore) }];
  });
}

/** Writes down what is missing and, unless the sweep is held, what is gone; answers the machines whose instance is. */
function miss(
  tables: Tables,
  act: SweepAct,
  { absent, isHeld }: { absent: readonly Absent[]; isHeld: boolean },
): string[] {
  const machines: string[] = [];
  for (const { row, gone } of absent) {
    if (gone === undefined || isHeld) {
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
