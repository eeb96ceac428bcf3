import type { Freeze, SweepRecord } from '../../fleet/brakes.ts';
import type { IntentKind, LeaseState, Step } from '../../fleet/lifecycle.ts';
import type { Pool } from '../../fleet/pool.ts';
import type { LeftOver, Placement } from '../../fleet/provider.ts';
import type { Batch, Machine } from '../../fleet/store.ts';

/** Rows are never changed in place: a write puts a new row. */
export interface MachineRow extends Machine {
  rungAt: Date | null;
  changedBy: string;
  changedAt: Date;
}

export interface LeaseRow {
  id: string;
  owner: string;
  idempotencyKey: string | null;
  digest: string;
  state: LeaseState;
  outcome: LeaseState | null;
  reason: string | null;
  pools: readonly string[];
  pool: string | null;
  machine: string | null;
  priority: number;
  waitTimeoutMs: number;
  heartbeatTimeoutMs: number;
  maxDurationMs: number;
  maxRetries: number;
  retries: number;
  retryOf: string | null;
  retriedBy: string | null;
  requestedAt: Date;
  activeAt: Date | null;
  endedAt: Date | null;
  deadlineAt: Date | null;
  changedAt: Date;
}

export interface IntentRow {
  id: string;
  machine: string;
  kind: IntentKind;
  reason: string;
  closedAt: Date | null;
  closedWhy: 'done' | 'replaced' | null;
}

export interface BatchRow extends Omit<Batch, 'members' | 'pending'> {
  group: string;
  size: number;
  count: number;
  filled: boolean;
  holdsLane: boolean;
  inDoubt: boolean;
  failure: string | null;
  ring: number;
  rungAt: Date | null;
  openedAt: Date;
  endedAt: Date | null;
  changedBy: string;
  changedAt: Date;
}

export interface MemberRow {
  /** batch and machine. */
  id: string;
  batch: string;
  machine: string;
  token: number;
  instance: string | null;
  state: 'pending' | 'done' | 'failed' | 'given-up';
  failure: string | null;
}

export interface InstanceRow {
  id: string;
  pool: string;
  placement: string;
  batch: string | null;
  machine: string | null;
  address: string | null;
  sightedAt: Date;
  missingSince: Date | null;
  condemnedAt: Date | null;
  goneAt: Date | null;
  gone: 'listed-gone' | 'absent-from-listing' | null;
  changedBy: string;
  changedAt: Date;
}

export interface PoolRow {
  /** Its name. */
  id: string;
  pool: Pool;
  version: number;
  hoursReachedAt: Date | null;
}

/** What holds for the whole fleet: one row. */
export interface FleetRow {
  id: string;
  maxPerDay: number | null;
  reachedAt: Date | null;
}

/** How a placement's last launches went. */
export interface PlacementRow {
  /** Pool and name. */
  id: string;
  pool: string;
  name: string;
  failures: number;
  coolUntil: Date | null;
}

/** What is kept of a placement's sweeps. */
export interface SweepRow extends SweepRecord {
  /** Pool and name of the placement. */
  id: string;
  pool: string;
  name: string;
}

/** What a listing leaves over. */
export interface LeftOverRow {
  /** Pool, placement and the cloud's id. */
  id: string;
  pool: string;
  placement: string;
  leftOver: LeftOver;
  sightedAt: Date;
  condemnedAt: Date | null;
  tries: number;
  nextAt: Date | null;
  failure: string | null;
}

/** There where its verb is frozen. */
export interface FreezeRow extends Freeze {
  /** The verb. */
  id: string;
}

interface Due {
  id: string;
  n: number;
  dueAt: Date;
  tries: number;
}

export type BellRow = Due &
  (
    | { kind: 'flow'; machine: string; pool: string; intent: string }
    | { kind: 'step'; machine: string; pool: string; intent: string; step: Step; ring: number }
    | { kind: 'batch'; batch: string; ring: number }
    | { kind: 'wake'; job: string }
  );

export function memberKey(batch: string, machine: string): string {
  return `${batch} ${machine}`;
}

export function placementKey(placement: Pick<Placement, 'pool' | 'name'>): string {
  return `${placement.pool} ${placement.name}`;
}
