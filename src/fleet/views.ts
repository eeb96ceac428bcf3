import type { FleetFigures } from './figures.ts';
import type { IntentKind, LeaseState, MachineState } from './lifecycle.ts';
import type { Lease } from './pool.ts';
import type { Machine } from './store.ts';

/** What pages and lists read from the store. Nothing here changes anything or is relied on by a guard. */
export interface Views {
  /** Newest request first. */
  listLeases(query: LeaseQuery): Promise<Listed<Lease>>;
  /** By id. Tombstones (`deleted`) only where that state is asked for. */
  listMachines(query: MachineQuery): Promise<Listed<Machine>>;
  /** The newest `limit` moves of a machine, the oldest of them first; empty where there is no such machine. */
  machineTimeline(query: { machine: string; limit: number }): Promise<readonly TimelineEntry[]>;
  countByState(): Promise<FleetCounts>;
  /** Everything countable, read by one statement. */
  figures(now: Date): Promise<FleetFigures>;
  /** Which of these intents are still open. */
  openIntents(intents: readonly string[]): Promise<ReadonlySet<string>>;
  /** The lease an owner's idempotency key stands for, with the digest it was stored under. */
  leaseByKey(query: {
    owner: string;
    idempotencyKey: string;
  }): Promise<{ lease: Lease; digest: string } | undefined>;
}

export interface Page {
  /** At most this many, 1 to 200. */
  limit: number;
  /** The id of the last item of the page before (a UUID); null for the first page. */
  after: string | null;
}

export interface LeaseQuery extends Page {
  /** null for everybody's. */
  owner: string | null;
  state: LeaseState | null;
  /** Leases of a machine of this pool, or pending ones it could serve. */
  pool: string | null;
}

export interface MachineQuery extends Page {
  pool: string | null;
  state: MachineState | null;
  /** Only those whose deletion was refused, or only the others; null for all. */
  setAside: boolean | null;
}

export interface Listed<Item> {
  items: readonly Item[];
  /** True where another page follows. */
  more: boolean;
}

/** One row of the machine's log of transitions. */
export interface TimelineEntry {
  at: Date;
  /** null for the wish that made it. */
  from: MachineState | null;
  to: MachineState;
  by: string;
  /** The fencing token after the move. */
  token: number;
  intentKind: IntentKind | null;
  lease: string | null;
  reason: string | null;
}

export interface PoolCounts {
  pool: string;
  /** Machines by state; a state without one may be missing. */
  machines: Partial<Record<MachineState, number>>;
  /** Leases on a machine of this pool, by state, plus the pending ones it could serve. */
  leases: Partial<Record<LeaseState, number>>;
}

export interface FleetCounts {
  pools: readonly PoolCounts[];
  /** All leases by state, each counted once. */
  leases: Partial<Record<LeaseState, number>>;
}
