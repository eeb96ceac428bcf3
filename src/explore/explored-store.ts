import type { Outbox } from '../fleet/outbox.ts';
import type { Clock } from '../fleet/ports.ts';
import type { Batch, Machine, Store } from '../fleet/store.ts';
import type { LeaseState } from '../fleet/lifecycle.ts';
import type { HistoryEntry } from './history.ts';

/** A store that a run is explored over, with what the explorer itself must see of it. */
export interface ExploredStore {
  store: Store;
  outbox: Outbox;
  look: StoreLook;
  /** Ids in the shape that the store takes, the same ones in each run. */
  newId(kind: string): string;
  /** Brings `look` up to date; awaited after each act, before anything else happens. */
  refresh(): Promise<void>;
  /** Every logged write in order, its commit at the time of the run's own clock. */
  history(): Promise<readonly HistoryEntry[]>;
  close(): Promise<void>;
}

/** Opens an empty store for one run. */
export type OpenStore = (clock: Clock) => Promise<ExploredStore>;

/** What stands in the store: for looking at, never for deciding in a worker's place. In the order it was written. */
export interface StoreLook {
  machines(): readonly SeenMachine[];
  leases(): readonly SeenLease[];
  batches(): readonly SeenBatch[];
  instances(): readonly SeenInstance[];
  hasBells(): boolean;
}

export type SeenMachine = Pick<
  Machine,
  'id' | 'pool' | 'state' | 'intent' | 'intentKind' | 'batch' | 'instance'
>;

export interface SeenLease {
  id: string;
  owner: string;
  idempotencyKey: string | null;
  digest: string;
  state: LeaseState;
  pools: readonly string[];
}

export type SeenBatch = Pick<Batch, 'id' | 'state'>;

export interface SeenInstance {
  id: string;
  isGone: boolean;
}
