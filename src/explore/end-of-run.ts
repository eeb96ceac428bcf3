import type { LeaseState } from '../fleet/lifecycle.ts';
import { NOBODY } from './cloud/estate.ts';
import type { HistoryEntry } from './history.ts';
import type { RunWorld } from './world.ts';

/** What keeps a run from being quiet; empty where nothing is under way and cloud and database agree. */
export function unrest(world: RunWorld): string[] {
  const { look } = world;
  const machines = look.machines().filter((each) => each.state !== 'deleted');
  const owned = new Set(machines.map((each) => each.instance));
  const alive = aliveIds(world);
  return [
    ...machines
      .filter((each) => each.intent !== null || (each.state !== 'ready' && each.state !== 'parked'))
      .map((each) => `machine ${each.id} is ${each.state} with ${each.intentKind ?? 'no intent'}`),
    ...look
      .leases()
      .filter((each) => LEASED.has(each.state))
      .map((each) => `lease ${each.id} is ${each.state}`),
    ...look
      .batches()
      .filter((each) => each.state !== 'ended')
      .map((each) => `batch ${each.id} is ${each.state}`),
    ...look
      .instances()
      .filter((each) => !each.isGone && !alive.includes(each.id))
      .map((each) => `instance ${each.id} is gone, which nobody has noticed`),
    ...machines
      .filter((each) => each.instance !== null && !alive.includes(each.instance))
      .map((each) => `machine ${each.id} has lost its instance`),
    ...alive.filter((id) => !owned.has(id)).map((id) => `instance ${id} has no machine`),
    ...[...world.far.leftOvers.keys()].map((id) => `disk ${id} has no instance`),
  ];
}

/** States of a lease that has not ended. */
const LEASED: ReadonlySet<LeaseState> = new Set<LeaseState>(['pending', 'active', 'ending']);

function aliveIds(world: RunWorld): string[] {
  return [...world.far.instances.values()].filter((each) => each.state !== 'gone').map((each) => each.id);
}

function ownerless({ far }: RunWorld): { id: string; instance: null }[] {
  return [...far.leftOvers.keys()].map((id) => ({ id, instance: null }));
}

/** The records that only the run as a whole can write: its promises, and what there was after quiet. */
export function closingEntries(world: RunWorld, epochMs: number): HistoryEntry[] {
  const { look, scheduler, plan } = world;
  // A stray is nobody's to prevent: it counts against its pool, but no more than that.
  const strays = [...world.far.instances.values()].filter(isStray);
  const limits = Object.fromEntries(
    plan.pools.map(({ name, max }) => [
      name,
      max + strays.filter((each) => each.placement.pool === name).length,
    ]),
  );
  return [
    { type: 'settings', reconcileRoundMs: longestRoundMs(world, epochMs), limits },
    {
      type: 'end',
      at: scheduler.nowMs(),
      cloud: { instances: aliveIds(world), disks: ownerless(world), networkCards: [], addresses: [] },
      machines: look
        .machines()
        .filter((each) => each.state !== 'deleted')
        .map(({ id, instance, state }) => ({ machine: id, instance, state })),
      leases: look.leases().map(({ id, state }) => ({ lease: id, state, readable: true })),
    },
  ];
}

function isStray(instance: { batch: string }): boolean {
  return instance.batch === NOBODY;
}

const ROUND_MOST_MS = 15 * 60_000;

/**
 * How long something that is overdue had to wait, at the most, for a whole reconcile round that began after it was:
 * what this run kept of its promise, faults and all. Beyond a quarter of an hour it has kept none.
 */
function longestRoundMs(world: RunWorld, epochMs: number): number {
  const rounds = world.rounds.toSorted((a, b) => a.fromMs - b.fromMs);
  const endMs = world.scheduler.nowMs();
  let earliestEndMs = endMs;
  let longestMs = 0;
  for (const round of rounds.toReversed()) {
    longestMs = Math.max(longestMs, earliestEndMs - round.fromMs);
    earliestEndMs = Math.min(earliestEndMs, round.toMs);
  }
  longestMs = Math.max(longestMs, earliestEndMs - epochMs);
  // A stray waits until the launches under way at its placement are over.
  if ([...world.far.instances.values()].some(isStray)) return ROUND_MOST_MS;
  // A step that is owed is rung, and a stray condemned, by the first round that finds it old enough.
  const { reconcileMs, sweepGraceMs } = world.plan.settings;
  return Math.min(ROUND_MOST_MS, longestMs + Math.max(reconcileMs, sweepGraceMs));
}
