import type { Freezable } from './brakes.ts';
import type { LeaseState, MachineState, Step } from './lifecycle.ts';
import type { Verb } from './provider.ts';

/**
 * The whole fleet in figures, all read at one instant. Groups without a row are left out; `total` counts never go
 * down, whatever is purged.
 */
export interface FleetFigures {
  pools: readonly { pool: string; max: number; minIdle: number; draining: boolean }[];
  /** Living machines. */
  machines: readonly { pool: string; state: MachineState; count: number }[];
  /** Living machines past their deadline. */
  overdueMachines: readonly { pool: string; state: MachineState; count: number }[];
  /** Living machines that owe a step, whether or not somebody is doing it. */
  owed: readonly { pool: string; step: Step; count: number }[];
  /** Machines whose cloud refuses to delete them, and since when the first of them. */
  setAside: readonly { pool: string; count: number; oldestSeconds: number }[];
  /** Leases that have not ended, each once. */
  leases: readonly { state: LeaseState; count: number }[];
  /** The same by pool; a pending one counts for each pool that could serve it. */
  poolLeases: readonly { pool: string; state: LeaseState; count: number; oldestSeconds: number }[];
  overdueLeases: number;
  /** Batches that have not ended. */
  batches: readonly { lane: string; verb: Verb; state: string; count: number; failing: number }[];
  outbox: { due: number; oldestSeconds: number };
  placements: readonly { pool: string; placement: string; failures: number; coolSeconds: number }[];
  sweeps: readonly {
    pool: string;
    placement: string;
    listedSecondsAgo: number;
    halted: boolean;
    sighted: number;
    condemned: number;
    lost: number;
    /** Disks, network cards and addresses that are condemned and still there. */
    leftOvers: number;
  }[];
  frozen: readonly { verb: Freezable; frozen: boolean }[];
  total: {
    machinesRequested: readonly { pool: string; count: number }[];
    machinesDeleted: readonly { pool: string; count: number }[];
    /** `pool` is empty for a request that no pool has served. */
    leasesEnded: readonly { pool: string; state: LeaseState; count: number }[];
    batchesEnded: readonly { lane: string; verb: Verb; count: number }[];
  };
}
