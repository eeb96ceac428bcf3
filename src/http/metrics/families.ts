import { FREEZABLE } from '../../fleet/brakes.ts';
import type { FleetFigures } from '../../fleet/figures.ts';
import { MACHINE_STATES, STEPS } from '../../fleet/lifecycle.ts';

/** One metric: its name is `drover_` and this, its help a sentence of docs/metrics.md. */
export interface Family {
  kind: 'gauge' | 'counter';
  help: string;
  labels: readonly string[];
  samples(figures: FleetFigures): readonly Sample[];
}

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

const LIVING = MACHINE_STATES.filter((state) => state !== 'deleted');
const OPEN = ['pending', 'active', 'ending'] as const;

/**
 * Everything that the fleet tells of itself, by name. What can be named beforehand is always there, with 0 where it
 * counts nothing: an alert on a figure that is missing never rings.
 */
export const FAMILIES: Readonly<Record<string, Family>> = {
  pool_max_machines: {
    ...gauge('The most machines that a pool may have.', ['pool']),
    samples: ({ pools }) => pools.map(({ pool, max }) => [{ pool }, max]),
  },
  pool_min_idle_machines: {
    ...gauge('Machines that a pool keeps ready for nobody yet.', ['pool']),
    samples: ({ pools }) => pools.map(({ pool, minIdle }) => [{ pool }, minIdle]),
  },
  pool_draining: {
    ...gauge('1 where a pool takes no more requests and lets its machines go.', ['pool']),
    samples: ({ pools }) => pools.map(({ pool, draining }) => [{ pool }, Number(draining)]),
  },
  machines: {
    ...gauge('Machines by state; deleted ones are no longer counted.', ['pool', 'state']),
    samples: (figures) => ofEach(figures, { label: 'state', values: LIVING, counts: figures.machines }),
  },
  machines_overdue: {
    ...gauge('Machines past the deadline of their state, which the next reconcile round recovers.', [
      'pool',
      'state',
    ]),
    samples: (figures) =>
      ofEach(figures, { label: 'state', values: LIVING, counts: figures.overdueMachines }),
  },
  machines_set_aside: {
    ...gauge('Machines that their cloud refuses to delete; each is tried again after growing pauses.', [
      'pool',
    ]),
    samples: (figures) => ofPools(figures, figures.setAside, ({ count }) => count),
  },
  machines_set_aside_oldest_seconds: {
    ...gauge('How long ago the first of them was refused; 0 where there is none.', ['pool']),
    samples: (figures) => ofPools(figures, figures.setAside, ({ oldestSeconds }) => oldestSeconds),
  },
  machines_requested_total: {
    ...counter('Machines ever wished for, launched or not.', ['pool']),
    samples: (figures) => ofPools(figures, figures.total.machinesRequested, ({ count }) => count),
  },
  machines_deleted_total: {
    ...counter('Machines that have come to their end.', ['pool']),
    samples: (figures) => ofPools(figures, figures.total.machinesDeleted, ({ count }) => count),
  },
  owed_steps: {
    ...gauge('Machines by the step that they owe next, whether or not it is being done.', ['pool', 'step']),
    samples: (figures) => ofEach(figures, { label: 'step', values: STEPS, counts: figures.owed }),
  },
  leases: {
    ...gauge('Leases that have not ended, each counted once.', ['state']),
    samples: ({ leases }) =>
      OPEN.map((state) => [{ state }, leases.find((each) => each.state === state)?.count ?? 0]),
  },
  pool_leases: {
    ...gauge(
      'Leases that have not ended, by pool; a pending one counts for each pool that could serve it, so that pools do not add up.',
      ['pool', 'state'],
    ),
    samples: (figures) => ofEach(figures, { label: 'state', values: OPEN, counts: figures.poolLeases }),
  },
  pool_pending_oldest_seconds: {
    ...gauge('How long the longest waiting request that a pool could serve has waited; 0 without one.', [
      'pool',
    ]),
    samples: (figures) => {
      const pending = figures.poolLeases.filter(({ state }) => state === 'pending');
      return ofPools(figures, pending, ({ oldestSeconds }) => oldestSeconds);
    },
  },
  leases_overdue: {
    ...gauge('Leases past their deadline, which the next reconcile round ends.', []),
    samples: ({ overdueLeases }) => [[{}, overdueLeases]],
  },
  leases_ended_total: {
    ...counter('Leases that have ended, by how; `pool` is empty where no pool ever served the request.', [
      'pool',
      'outcome',
    ]),
    samples: ({ total }) =>
      total.leasesEnded.map(({ pool, state, count }) => [{ pool, outcome: state }, count]),
  },
  batches: {
    ...gauge('Batches that have not ended: open ones collect members, sent ones wait for their cloud.', [
      'lane',
      'verb',
      'state',
    ]),
    samples: ({ batches }) => batches.map(({ lane, verb, state, count }) => [{ lane, verb, state }, count]),
  },
  batches_failing: {
    ...gauge('Of these, the ones whose last call was throttled, refused or lost, and is sent again.', [
      'lane',
      'verb',
    ]),
    samples: ({ batches }) => sumUp(batches.map(({ lane, verb, failing }) => [{ lane, verb }, failing])),
  },
  batches_ended_total: {
    ...counter('Batches that have ended: one changing cloud call each, or more where one was sent again.', [
      'lane',
      'verb',
    ]),
    samples: ({ total }) => total.batchesEnded.map(({ lane, verb, count }) => [{ lane, verb }, count]),
  },
  outbox_due: {
    ...gauge('Rows of the outbox that no worker has carried to the queues yet.', []),
    samples: ({ outbox }) => [[{}, outbox.due]],
  },
  outbox_oldest_seconds: {
    ...gauge('How long the oldest of them has been due; 0 without one.', []),
    samples: ({ outbox }) => [[{}, outbox.oldestSeconds]],
  },
  placement_failures: {
    ...gauge('Launches that a placement has refused in a row.', ['pool', 'placement']),
    samples: ({ placements }) =>
      placements.map(({ pool, placement, failures }) => [{ pool, placement }, failures]),
  },
  placement_cooling_seconds: {
    ...gauge('For how much longer a placement is left alone after a refusal.', ['pool', 'placement']),
    samples: ({ placements }) =>
      placements.map(({ pool, placement, coolSeconds }) => [{ pool, placement }, coolSeconds]),
  },
  sweep_listing_age_seconds: {
    ...gauge('Since when the last listing that a placement was swept by has been made.', [
      'pool',
      'placement',
    ]),
    samples: ({ sweeps }) =>
      sweeps.map(({ pool, placement, listedSecondsAgo }) => [{ pool, placement }, listedSecondsAgo]),
  },
  sweep_halted: {
    ...gauge('1 where the last sweep found too much to end it unasked: see `drover confirm-sweep`.', [
      'pool',
      'placement',
    ]),
    samples: ({ sweeps }) =>
      sweeps.map(({ pool, placement, halted }) => [{ pool, placement }, Number(halted)]),
  },
  sweep_sighted_total: {
    ...counter('Instances that sweeps have found without knowing them.', ['pool', 'placement']),
    samples: ({ sweeps }) => sweeps.map(({ pool, placement, sighted }) => [{ pool, placement }, sighted]),
  },
  sweep_condemned_total: {
    ...counter('Instances that sweeps have condemned, since nobody owned them.', ['pool', 'placement']),
    samples: ({ sweeps }) => sweeps.map(({ pool, placement, condemned }) => [{ pool, placement }, condemned]),
  },
  sweep_lost_total: {
    ...counter('Machines that sweeps have ended, since their instance was gone.', ['pool', 'placement']),
    samples: ({ sweeps }) => sweeps.map(({ pool, placement, lost }) => [{ pool, placement }, lost]),
  },
  left_overs: {
    ...gauge('Disks, network cards and addresses that no instance has and that are being deleted.', [
      'pool',
      'placement',
    ]),
    samples: ({ sweeps }) => sweeps.map(({ pool, placement, leftOvers }) => [{ pool, placement }, leftOvers]),
  },
  frozen: {
    ...gauge('1 where an operator has frozen launches or deletions.', ['verb']),
    samples: ({ frozen }) =>
      FREEZABLE.map((verb) => [{ verb }, Number(frozen.some((each) => each.verb === verb && each.frozen))]),
  },
};

function gauge(help: string, labels: readonly string[]): Omit<Family, 'samples'> {
  return { kind: 'gauge', help, labels };
}

function counter(help: string, labels: readonly string[]): Omit<Family, 'samples'> {
  return { kind: 'counter', help, labels };
}

/** A sample for each pool, 0 where it is not among the groups. */
function ofPools<Group extends { pool: string }>(
  { pools }: FleetFigures,
  groups: readonly Group[],
  value: (group: Group) => number,
): Sample[] {
  return pools.map(({ pool }) => {
    const group = groups.find((each) => each.pool === pool);
    return [{ pool }, group === undefined ? 0 : value(group)];
  });
}

/** A sample for each pool and each value of the label, 0 where nothing was counted. */
function ofEach<Label extends string>(
  { pools }: FleetFigures,
  of: {
    label: Label;
    values: readonly string[];
    counts: readonly (Readonly<Record<Label, string>> & { pool: string; count: number })[];
  },
): Sample[] {
  const found = new Map(of.counts.map((each) => [`${each.pool} ${each[of.label]}`, each.count]));
  return pools.flatMap(({ pool }) =>
    of.values.map((value): Sample => [{ pool, [of.label]: value }, found.get(`${pool} ${value}`) ?? 0]),
  );
}

/** Samples of the same labels added up. */
function sumUp(samples: readonly Sample[]): Sample[] {
  const sums = new Map<string, Sample>();
  for (const [labels, value] of samples) {
    const key = JSON.stringify(labels);
    sums.set(key, [labels, (sums.get(key)?.[1] ?? 0) + value]);
  }
  return [...sums.values()];
}
