import type { Pool, Probe } from './pool.ts';
import type { Budgets, Placement, Provider } from './provider.ts';
import type { Ring } from './reconcile-acts.ts';
import type { Store } from './store.ts';

export interface Clock {
  now(): Date;
}

/** Makes ids: UUIDs, unique over installations and time. */
export type NewId = () => string;

/** The doorbell. A ring that is lost costs time, never state: reconcile rings again. */
export interface Jobs {
  /** Wakes the delivery of outbox rows in this process at once; others hear of them through the database. */
  nudge(): void;
  /** Has a job for this batch run at `at`. */
  batch(batch: string, at: Date): Promise<void>;
  /** Has the pool's scaling looked at soon, once however often it is asked. */
  scale(pool: string): Promise<void>;
  /** Which of these job ids belong to a job that will run. */
  live(jobs: readonly { queue: string; id: string }[]): Promise<ReadonlySet<string>>;
}

/** An efficiency lock: it spares work, nothing relies on it. */
export interface Locks {
  /** Locks for as long as `ttlMs` unless renewed; undefined when somebody else holds it. */
  lock(key: string): Promise<HeldLock | undefined>;
}

export interface HeldLock {
  /** Aborts when the lock was lost. */
  readonly signal: AbortSignal;
  unlock(): Promise<void>;
}

export interface Claims {
  /** Renews a batch's claim until it is let go; its signal aborts when somebody else has it. */
  keep(batch: { id: string; token: number }): { readonly signal: AbortSignal; letGo(): void };
}

export interface Prober {
  /** True once the guest answers. Never throws for a guest that does not. */
  probe(address: string, probe: Probe, signal: AbortSignal): Promise<boolean>;
}

export interface Ports {
  clock: Clock;
  newId: NewId;
  store: Store;
  jobs: Jobs;
  locks: Locks;
  prober: Prober;
  budgets: Budgets;
  claims: Claims;
  /** A pool's rules, at most a second old; its state is read through the store. */
  pool(name: string): Promise<Pool | undefined>;
  provider(placement: Placement): Provider;
  log: Log;
  /** Keeps what a reconcile round saw of an owed step, for the history. */
  witness(seen: { at: Date; ring: Ring; live: boolean; rung: boolean }): Promise<void>;
  settings: WorkSettings;
}

export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** How workers pace themselves; durations in milliseconds. */
export interface WorkSettings {
  /** How long a claim holds without being renewed; no longer than BullMQ's lock. */
  claimMs: number;
  /** How long an idle lane's batch collects members. */
  windowMs: number;
  /** Between two rounds of reconcile. */
  reconcileMs: number;
  /** Between two sweeps of one placement. */
  sweepMs: number;
  /** An unknown instance must be seen twice, this far apart, before it is condemned. */
  sweepGraceMs: number;
  /** Tombstones and closed intents are purged after this. */
  retentionMs: number;
}

/** What became of a job. `later` puts it off without burning an attempt. */
export type Outcome =
  | { kind: 'done'; note?: string }
  | { kind: 'refused'; why: string }
  | { kind: 'later'; until: Date; why: string };

export interface MachineJob {
  machine: string;
  intent: string;
  pool: string;
  /** 0 for a flow's job; higher for a single job that rings the step again. */
  ring: number;
}
export interface BatchJob {
  batch: string;
}
export interface PoolJob {
  pool: string;
}
export interface ReconcileJob {
  round: number;
}

export type Worker<Payload> = (ports: Ports, payload: Payload, signal: AbortSignal) => Promise<Outcome>;
