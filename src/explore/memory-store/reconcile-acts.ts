import { confirmHalt } from '../../fleet/brakes.ts';
import { purgeableBefore } from '../../fleet/machine-hours.ts';
import {
  type ConfirmSweepAct,
  type ReconcileActs,
  type Ring,
  ringKey,
  type UnattendedAct,
} from '../../fleet/reconcile-acts.ts';
import { ring as ringBell } from './bells.ts';
import { byOrder, isFree, isPast, latestOf } from './due.ts';
import { condemnedLeftOvers, leftOverRefused } from './left-overs.ts';
import { atomic, type Memory } from './memory.ts';
import { recover } from './recover.ts';
import { type BatchRow, type MachineRow, placementKey } from './rows.ts';
import { sweep } from './sweep.ts';
import type { Table } from './table.ts';
import type { Tables } from './tables.ts';

export function createReconcileActs(memory: Memory): ReconcileActs {
  const { tables } = memory;
  return {
    overdueMachines: ({ now, limit }) => {
      const overdue = tables.machines.where((each) => isPast(each.deadlineAt, now));
      const longestFirst = overdue.toSorted(byOrder((each) => [each.deadlineAt?.getTime() ?? 0]));
      return Promise.resolve(longestFirst.slice(0, limit));
    },
    recover: atomic(memory, recover),
    unattended: atomic(memory, unattended),
    ringAgain: atomic(memory, ringAgain),
    sweep: atomic(memory, sweep),
    leftOverRefused: atomic(memory, leftOverRefused),
    leftOvers: () => Promise.resolve(condemnedLeftOvers(tables)),
    haltedSweeps: () => {
      const halted = tables.sweeps
        .all()
        .toSorted(byOrder(() => []))
        .flatMap(({ pool, name, halt }) => (halt === null ? [] : [{ pool, placement: name, ...halt }]));
      return Promise.resolve(halted);
    },
    confirmSweep: atomic(memory, confirmSweep),
    purge: atomic(memory, purge),
  };
}

function unattended({ tables }: Memory, act: UnattendedAct): readonly Ring[] {
  const steps = tables.machines
    .where((each) => each.owed !== null && each.batch === null && each.changedAt <= act.before)
    .filter((each) => isFree(each.claimedUntil, act.now) && isFree(each.rungAt, act.before));
  const batches = tables.batches
    .where(
      (each) => each.endedAt === null && latestOf(each.changedAt, each.closeAt, each.lookAt) <= act.before,
    )
    .filter((each) => isFree(each.claimedUntil, act.now) && isFree(each.rungAt, act.before));
  return [...steps.map(toStepRing), ...batches.map(toBatchRing)]
    .filter((ring) => ringKey(ring) > (act.after ?? ''))
    .toSorted((a, b) => (ringKey(a) < ringKey(b) ? -1 : 1))
    .slice(0, act.limit);
}

function toStepRing(row: MachineRow): Ring {
  return {
    ...{ kind: 'step', machine: row.id, batch: null, pool: row.pool, intent: row.intent, step: row.owed },
    ring: row.ring,
    since: latestOf(row.changedAt, row.claimedUntil),
  };
}

function toBatchRing(row: BatchRow): Ring {
  return {
    ...{ kind: 'batch', machine: null, batch: row.id, pool: '', intent: null, step: null },
    ring: row.ring,
    since: latestOf(row.changedAt, row.closeAt, row.claimedUntil, row.lookAt),
  };
}

/** Raises the ring, unless somebody has claimed it, or rung it, meanwhile. */
function ringAgain({ tables }: Memory, { ring, now }: { ring: Ring; now: Date }): boolean {
  if (ring.kind === 'batch') return ringBatch(tables, ring, now);
  const row = ring.machine === null ? undefined : tables.machines.get(ring.machine);
  if (row === undefined || row.intent === null || row.owed === null || !isStillOwed(row, ring, now))
    return false;
  tables.machines.put({ ...row, ring: row.ring + 1, rungAt: now });
  const { id: machine, pool, intent, owed: step } = row;
  ringBell(tables, { kind: 'step', machine, pool, intent, step, ring: row.ring + 1 }, now);
  return true;
}

function ringBatch(tables: Tables, ring: Ring, now: Date): boolean {
  const row = ring.batch === null ? undefined : tables.batches.get(ring.batch);
  if (row?.ring !== ring.ring || row.endedAt !== null || !isFree(row.claimedUntil, now)) return false;
  tables.batches.put({ ...row, ring: row.ring + 1, rungAt: now });
  ringBell(tables, { kind: 'batch', batch: row.id, ring: row.ring + 1 }, now);
  return true;
}

function isStillOwed(row: MachineRow, ring: Ring, now: Date): boolean {
  if (row.intent !== ring.intent || row.owed !== ring.step || row.ring !== ring.ring) return false;
  return row.batch === null && isFree(row.claimedUntil, now);
}

function confirmSweep({ tables }: Memory, act: ConfirmSweepAct): boolean {
  const row = tables.sweeps.get(placementKey({ pool: act.pool, name: act.placement }));
  const confirmed = confirmHalt(row, act);
  if (row === undefined || confirmed === undefined) return false;
  tables.sweeps.put({ ...row, ...confirmed });
  return true;
}

/** Instances before machines before batches: each is kept while something that may still matter names it. */
function purge({ tables }: Memory, act: Parameters<ReconcileActs['purge']>[0]): number {
  const isOld = (at: Date | null, before = act.before): boolean => at !== null && at < before;
  const drop = <Row extends { id: string }>(table: Table<Row>, isDone: (row: Row) => boolean): number => {
    const old = table.where(isDone).slice(0, act.limit);
    for (const row of old) table.drop(row.id);
    return old.length;
  };
  const instances = drop(tables.instances, (each) => isOld(each.goneAt, purgeableBefore(act)));
  const named = new Set(tables.instances.all().map((each) => each.machine));
  const machines = drop(
    tables.machines,
    (each) => each.state === 'deleted' && isOld(each.stateSince) && !named.has(each.id),
  );
  const waitedFor = new Set(tables.machines.all().map((each) => each.batch));
  const batches = drop(tables.batches, (each) => isOld(each.endedAt) && !waitedFor.has(each.id));
  drop(tables.members, (each) => !tables.batches.get(each.batch) || !tables.machines.get(each.machine));
  drop(tables.intents, (each) => isOld(each.closedAt) || tables.machines.get(each.machine) === undefined);
  return instances + machines + batches + drop(tables.leases, (each) => isOld(each.endedAt));
}
