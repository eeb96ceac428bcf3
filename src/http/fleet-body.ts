import { Type, type Static } from 'typebox';
import { amountOf } from '../fleet/brakes.ts';
import { INTENT_KINDS, LEASE_STATES, MACHINE_STATES, STEPS } from '../fleet/lifecycle.ts';
import { dayOf, type FleetHours, type MachineHours } from '../fleet/machine-hours.ts';
import type { Pool } from '../fleet/pool.ts';
import type { CondemnedLeftOver, HaltedSweep } from '../fleet/reconcile-acts.ts';
import type { Machine } from '../fleet/store.ts';
import { Instant, OrNull, toInstant } from './lease-body.ts';
import type { PoolCounts, TimelineEntry } from '../fleet/views.ts';

export const Counts = Type.Record(Type.String(), Type.Integer(), {
  description: 'By state, every state named.',
});

export const MachineHoursBody = Type.Object({
  today: Type.Number({ description: 'How long machines have existed since midnight UTC, in hours.' }),
  maxPerDay: OrNull(Type.Number({ description: 'Nothing is launched once it is reached.' })),
  reachedAt: OrNull(Instant()),
});

export const FleetHoursBody = Type.Object({ ...MachineHoursBody.properties, resetsAt: Instant() });

export function toFleetHoursBody(hours: FleetHours, now: Date): Static<typeof FleetHoursBody> {
  return { ...toHoursBody(hours), resetsAt: dayOf(now).end.toISOString() };
}

/** Hundredths tell enough, and do not change at every look. */
function toHoursBody({ used, maxPerDay, reachedAt }: MachineHours): Static<typeof MachineHoursBody> {
  return { today: Math.round(used * 100) / 100, maxPerDay, reachedAt: toInstant(reachedAt) };
}

export const PoolBody = Type.Object({
  name: Type.String(),
  platform: Type.String(),
  arch: Type.String(),
  tags: Type.Array(Type.String()),
  minIdle: Type.Integer(),
  max: Type.Integer(),
  idleTimeoutSeconds: Type.Number(),
  recycle: Type.Enum(['reset', 'delete']),
  halt: Type.Enum(['power-off', 'none']),
  maxUses: OrNull(Type.Integer()),
  owner: Type.Enum(['file', 'api']),
  draining: Type.Boolean(),
  placements: Type.Array(Type.Object({ name: Type.String(), provider: Type.String() })),
  machines: Counts,
  leases: Counts,
  machineHours: MachineHoursBody,
  haltedSweeps: Type.Array(
    Type.Object({
      placement: Type.String(),
      since: Instant(),
      why: Type.String(),
      count: Type.Integer({ description: 'How many instances and machines a confirmation must allow.' }),
    }),
    { description: 'Sweeps that found too much to end it unasked: an operator confirms them.' },
  ),
  leftOvers: Type.Array(
    Type.Object({
      placement: Type.String(),
      kind: Type.Enum(['disk', 'network-card', 'address']),
      id: Type.String({ description: "The cloud's id." }),
      since: Instant(),
      tries: Type.Integer({ description: 'How often its deletion was asked for.' }),
      nextAt: OrNull(Instant()),
      failure: OrNull(Type.String({ description: 'Why the last try failed.' })),
    }),
    { description: 'What no instance has any more and is being deleted.' },
  ),
});

/** A pool as it goes over the wire. What a placement consists of stays inside: it may hold start-up data of guests. */
export function toPoolBody(
  pool: Pool,
  known: {
    counts: PoolCounts | undefined;
    halted: readonly HaltedSweep[];
    leftOvers: readonly CondemnedLeftOver[];
    hours: FleetHours;
  },
): Static<typeof PoolBody> {
  const { counts, halted, leftOvers, hours } = known;
  const { tags, idleTimeoutMs, placements, probe: _probe, deadlines: _deadlines, ...rest } = pool;
  return {
    ...rest,
    tags: [...tags],
    idleTimeoutSeconds: idleTimeoutMs / 1000,
    placements: placements.map(({ name, provider }) => ({ name, provider })),
    machines: countsOf(MACHINE_STATES, counts?.machines),
    leases: countsOf(LEASE_STATES, counts?.leases),
    machineHours: toHoursBody(hours.pools[pool.name] ?? NO_HOURS),
    haltedSweeps: halted
      .filter((each) => each.pool === pool.name)
      .map(({ placement, since, why, counts: found }) => {
        return { placement, since: since.toISOString(), why, count: amountOf(found) };
      }),
    leftOvers: leftOvers
      .filter((each) => each.pool === pool.name)
      .map(({ placement, kind, id, since, tries, nextAt, failure }) => {
        const times = { since: since.toISOString(), nextAt: toInstant(nextAt) };
        return { placement, kind, id, ...times, tries, failure };
      }),
  };
}

/** Of a pool that is younger than the look at its hours. */
const NO_HOURS: MachineHours = { used: 0, maxPerDay: null, reachedAt: null };

/** All states with their number, 0 where the store named none. */
export function countsOf<const Name extends string>(
  names: readonly Name[],
  counts: Partial<Record<Name, number>> = {},
): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, counts[name] ?? 0]));
}

export const MachineBody = Type.Object({
  id: Type.String(),
  pool: Type.String(),
  placement: Type.String(),
  state: Type.Enum(MACHINE_STATES),
  stateSince: Instant(),
  deadlineAt: OrNull(Instant()),
  intent: OrNull(Type.Object({ id: Type.String(), kind: Type.Enum(INTENT_KINDS) })),
  owed: OrNull(Type.Enum(STEPS)),
  lease: OrNull(Type.String()),
  instance: OrNull(Type.String({ description: "The cloud's id of it." })),
  address: OrNull(Type.String()),
  clean: Type.Boolean(),
  halted: Type.Boolean(),
  uses: Type.Integer(),
  batch: OrNull(Type.String()),
  fencingToken: Type.Integer(),
  claimedUntil: OrNull(Instant()),
  claimedBy: OrNull(Type.String()),
  failures: Type.Integer({ description: 'Failed attempts at the step it owes now.' }),
  failure: OrNull(Type.String()),
  setAside: OrNull(
    Type.Object(
      {
        since: Instant(),
        refusals: Type.Integer({ description: 'How often its deletion was refused.' }),
        reason: Type.String({ description: 'What the cloud said last.' }),
        nextTryAt: OrNull(
          Type.String({ format: 'date-time', description: 'null while it is being tried again.' }),
        ),
      },
      { description: 'Its cloud refuses to delete it: it is tried again by itself, after growing pauses.' },
    ),
  ),
});

/** A machine as it goes over the wire. */
export function toMachineBody(machine: Machine): Static<typeof MachineBody> {
  const { intent, intentKind, stateSince, deadlineAt, claimedUntil, token, ...more } = machine;
  const { ring: _ring, refusals: _refusals, refusedSince: _since, ...rest } = more;
  return {
    ...rest,
    stateSince: stateSince.toISOString(),
    deadlineAt: toInstant(deadlineAt),
    intent: intent === null || intentKind === null ? null : { id: intent, kind: intentKind },
    fencingToken: token,
    claimedUntil: toInstant(claimedUntil),
    setAside: toSetAside(machine),
  };
}

function toSetAside(machine: Machine): Static<typeof MachineBody>['setAside'] {
  const { refusals, refusedSince, failure, batch, claimedUntil } = machine;
  if (refusedSince === null) return null;
  return {
    since: refusedSince.toISOString(),
    refusals,
    reason: failure ?? 'unknown',
    nextTryAt: batch === null ? toInstant(claimedUntil) : null,
  };
}

export const TimelineBody = Type.Array(
  Type.Object({
    at: Instant(),
    from: OrNull(Type.Enum(MACHINE_STATES)),
    to: Type.Enum(MACHINE_STATES),
    by: Type.String(),
    fencingToken: Type.Integer(),
    intentKind: OrNull(Type.Enum(INTENT_KINDS)),
    lease: OrNull(Type.String()),
    reason: OrNull(Type.String()),
  }),
);

export function toTimelineBody(entries: readonly TimelineEntry[]): Static<typeof TimelineBody> {
  return entries.map(({ at, token, ...rest }) => ({ ...rest, at: at.toISOString(), fencingToken: token }));
}
