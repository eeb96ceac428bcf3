import type { LeaseState, MachineState } from './lifecycle.ts';
import type { Placement } from './provider.ts';

export type Probe =
  | { kind: 'tcp'; port: number; intervalMs: number }
  | { kind: 'http'; port: number; path: string; intervalMs: number }
  | { kind: 'none' };

/** Machines that are alike, and the rules they live by. Durations are milliseconds. */
export interface Pool {
  name: string;
  platform: string;
  arch: string;
  tags: readonly string[];
  /** Ready machines kept waiting although nobody asks. */
  minIdle: number;
  /** The most machines at once, instances without a machine included. */
  max: number;
  /** Nothing is launched while its machines have existed for this many hours since midnight UTC; null for no limit. */
  maxMachineHoursPerDay: number | null;
  /** How long a machine above `minIdle` may stay ready before it is retired. */
  idleTimeoutMs: number;
  /** What happens after a lease: cleaned and used again, or deleted. */
  recycle: 'reset' | 'delete';
  /** How a stop ends the user's work: powered off, or nothing where the next step ends it anyway. */
  halt: 'power-off' | 'none';
  /** A machine is retired after this many leases; null for no limit. */
  maxUses: number | null;
  probe: Probe;
  /** When each state is overdue, counted from its beginning; a state without an entry has no deadline. */
  deadlines: Partial<Record<MachineState, number>>;
  /** In order of preference. */
  placements: readonly Placement[];
  /** Named no longer, kept for the machines that still are there; never launched at. */
  retiredPlacements?: readonly Placement[];
  /** Who may change it: the pools file, or the API. */
  owner: 'file' | 'api';
  /** True once it was removed: takes no requests, lets its machines go. */
  draining: boolean;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Deadlines of states where the pool says nothing else. `leased` lives by its lease's own clocks. */
export const DEADLINES_DEFAULT = {
  requested: 10 * MINUTE,
  provisioning: 15 * MINUTE,
  booting: 10 * MINUTE,
  ready: 24 * HOUR,
  stopping: 5 * MINUTE,
  stopped: MINUTE,
  released: MINUTE,
  resetting: 15 * MINUTE,
  parked: 7 * 24 * HOUR,
  quarantined: 24 * HOUR,
  deleting: 15 * MINUTE,
} as const satisfies Partial<Record<MachineState, number>>;

/** What a request asks for: a pool by name, or any pool that fits. */
export interface LeaseSelector {
  pool?: string;
  platform?: string;
  arch?: string;
  tags?: readonly string[];
}

export interface LeaseRequest {
  owner: string;
  selector: LeaseSelector;
  /** Higher goes first. */
  priority: number;
  idempotencyKey: string | null;
  waitTimeoutMs: number;
  heartbeatTimeoutMs: number;
  maxDurationMs: number;
  /** How many more machines its user is given, one after another, where the one it has is lost; 0 for none. */
  maxRetries: number;
}

export const LEASE_DEFAULTS = {
  priority: 0,
  waitTimeoutMs: 15 * MINUTE,
  heartbeatTimeoutMs: 2 * MINUTE,
  maxDurationMs: 4 * HOUR,
  maxRetries: 0,
} as const;

/** For those who ask to be retried and do not say how often, and the most that anybody may ask for. */
export const RETRIES = { unlessGiven: 3, most: 10 } as const;

/** A lease as its user sees it. */
export interface Lease {
  id: string;
  owner: string;
  state: LeaseState;
  outcome: string | null;
  /** Why it failed, expired or was lost: `no-capacity`, `max-machine-hours`, `pool-drained`, `heartbeat`, `max-duration` ... */
  reason: string | null;
  pools: readonly string[];
  pool: string | null;
  machine: string | null;
  address: string | null;
  priority: number;
  requestedAt: Date;
  activeAt: Date | null;
  endedAt: Date | null;
  deadlineAt: Date | null;
  heartbeatTimeoutMs: number;
  maxDurationMs: number;
  maxRetries: number;
  /** How many leases before it were lost for the same request. */
  retries: number;
  /** The lost lease it takes the place of; null for a request of its user's own. */
  retryOf: string | null;
  /** The lease that takes its place; null where it was not lost, or is not to be retried any more. */
  retriedBy: string | null;
}

/** The placement a machine came from, also where the pool names it no longer. */
export function placementOf(pool: Pool, name: string): Placement | undefined {
  return [...pool.placements, ...(pool.retiredPlacements ?? [])].find((placement) => placement.name === name);
}

/** The pools that could serve a selector, in the order given; empty where none ever could. */
export function poolsFor(selector: LeaseSelector, pools: readonly Pool[]): readonly string[] {
  return pools
    .filter((pool) => !pool.draining && pool.max > 0 && fits(selector, pool))
    .map((pool) => pool.name);
}

function fits(selector: LeaseSelector, pool: Pool): boolean {
  if (selector.pool !== undefined && selector.pool !== pool.name) return false;
  if (selector.platform !== undefined && selector.platform !== pool.platform) return false;
  if (selector.arch !== undefined && !archFits(selector.arch, pool)) return false;
  return (selector.tags ?? []).every((tag) => pool.tags.includes(tag));
}

/** A 64-bit Windows machine serves a 32-bit request; every other platform matches exactly. */
function archFits(asked: string, pool: Pool): boolean {
  if (asked === pool.arch) return true;
  return asked === 'x86' && pool.arch === 'x64' && pool.platform === 'windows';
}
