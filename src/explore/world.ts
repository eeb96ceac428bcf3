import type { Outbox } from '../fleet/outbox.ts';
import type { Pool } from '../fleet/pool.ts';
import type { WorkSettings } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import type { CloudPlan, CloudWorld } from './cloud/cloud-world.ts';
import type { FarSide } from './cloud/far-side.ts';
import type { ExploredStore } from './explored-store.ts';
import type { Fault } from './faults.ts';
import type { HistoryEntry } from './history.ts';
import type { LockTable } from './locks.ts';
import type { Queues } from './queues/queues.ts';
import type { WorkerTable } from './queues/worker-table.ts';
import type { Randomness } from './randomness.ts';
import type { Scheduler } from './scheduler.ts';

/** What a seed stands for: the fleet, its cloud, its users and how much goes wrong. */
export interface Plan {
  pools: readonly Pool[];
  cloud: CloudPlan;
  settings: WorkSettings;
  processes: number;
  clients: readonly ClientPlan[];
  /** How long things go wrong, in milliseconds. */
  chaosMs: number;
  /** How often each fault is let happen: a cloud's by the chance of a call, the others by their share. */
  faults: Partial<Record<Fault, number>>;
  /** How many faults of processes, queues and people there are. */
  blows: number;
}

export interface ClientPlan {
  name: string;
  pool: string;
  priority: number;
  startsInMs: number;
  holdsMs: number;
  waitTimeoutMs: number;
  /** What it does besides asking, holding and completing. */
  habit: 'none' | 'cancels' | 'vanishes';
}

/** Everything one run is made of. */
export interface RunWorld extends Pick<ExploredStore, 'look' | 'newId' | 'refresh'> {
  plan: Plan;
  scheduler: Scheduler;
  random: Randomness;
  store: Store;
  outbox: Outbox;
  queues: Queues;
  locks: LockTable;
  cloud: CloudWorld;
  far: FarSide;
  workers: WorkerTable;
  /** What is told besides what the store logs. */
  history: HistoryEntry[];
  /** Reconcile rounds that were done whole. */
  rounds: { fromMs: number; toMs: number }[];
  /** What should never be thrown. */
  errors: string[];
  /** Faults happen while it is true. */
  isChaos: boolean;
  count(fault: Fault): void;
  /** Told after each write that may have rung. */
  onWrite: Set<() => void>;
}
