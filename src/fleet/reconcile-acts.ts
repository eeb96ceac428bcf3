import type { Halt, SweepCounts, SweepVerdict } from './brakes.ts';
import type { Step } from './lifecycle.ts';
import type { InventoryItem, LeftOver, Placement } from './provider.ts';
import type { Act, Answer, Machine } from './store.ts';

/** A job that should exist for a machine's owed step, or for a batch. */
export interface Ring {
  kind: 'step' | 'batch';
  machine: string | null;
  batch: string | null;
  pool: string;
  intent: string | null;
  step: Step | null;
  ring: number;
  since: Date;
}

/** The id of what is rung for: it stays the same whatever is rung or done in between, so pages can go by it. */
export function ringKey(ring: Ring): string {
  return ring.machine ?? ring.batch ?? '';
}

export interface UnattendedAct {
  now: Date;
  before: Date;
  /** The key of the last one on the page before; null for the first page. */
  after: string | null;
  limit: number;
}

export interface ReconcileActs {
  /** Machines past their deadline, the longest overdue first. */
  overdueMachines(act: { now: Date; limit: number }): Promise<readonly Machine[]>;
  /**
   * Recovers one overdue machine by what its state names, guarded by the deadline it was seen with, and sets the next
   * deadline: retire; for stopping go on to stopped; a member of a batch is given up in the same write.
   */
  recover(act: Act & { seenDeadline: Date }): Promise<Answer>;
  /**
   * Owed steps and unended batches without a running claim since before `before`: candidates for ringing. A page of
   * them in the order of their keys, from the first one beyond `after` (null: from the first of all); one with fewer
   * than `limit` is the last.
   */
  unattended(act: UnattendedAct): Promise<readonly Ring[]>;
  /** Raises the ring and writes the outbox row of a new single job, unless somebody has claimed it meanwhile. */
  ringAgain(act: { ring: Ring; now: Date }): Promise<boolean>;
  /**
   * Compares a whole listing with the instances known at a placement. An instance nobody owns is condemned by being
   * given a machine of its own that is born with a retire: its deletion then goes the way of all others. A left-over
   * is condemned likewise, at its second sighting, and answered to whoever swept: to be deleted there and then.
   */
  sweep(act: SweepAct): Promise<SweepResult>;
  /** Writes down, for people, why a left-over could not be deleted; its next try is set already. */
  leftOverRefused(act: LeftOverRefusedAct): Promise<void>;
  /** Left-overs that are condemned and still there, the oldest first, at most `LEFT_OVERS_SHOWN`. */
  leftOvers(): Promise<readonly CondemnedLeftOver[]>;
  /** Placements whose last sweep halted. */
  haltedSweeps(): Promise<readonly HaltedSweep[]>;
  /**
   * An operator's word that a halted sweep is right about up to `count` instances and machines; it holds for an hour.
   * False where no sweep is halted there, or one that has found more than that.
   */
  confirmSweep(act: ConfirmSweepAct): Promise<boolean>;
  /**
   * Deletes tombstones, closed intents, ended batches and leases, and what logs tell, older than `before`: `limit` of
   * each. What counts in today's machine-hours stays.
   */
  purge(act: { before: Date; now: Date; limit: number }): Promise<number>;
}

export interface SweepAct {
  placement: Placement;
  items: readonly InventoryItem[];
  leftOvers: readonly LeftOver[];
  /** When the listing began: rows younger than this are left alone. */
  listedAt: Date;
  now: Date;
  /** An unknown instance is condemned at its second sighting, this long after the first. */
  graceMs: number;
  /** Where the last sweep is older than this, the database may be a restored one: this sweep only reports. */
  staleAfterMs: number;
  by: string;
}

export const LEFT_OVERS_A_SWEEP = 50;
/** How long after its first answer a left-over is answered again, and the longest that it ever takes. */
export const LEFT_OVER_PAUSE_MS = { first: 30_000, most: 3_600_000 };

export const LEFT_OVERS_SHOWN = 100;

export interface CondemnedLeftOver extends LeftOver {
  pool: string;
  placement: string;
  since: Date;
  /** How often its deletion was asked for. */
  tries: number;
  /** When it is asked for again. */
  nextAt: Date | null;
  /** Why the last one failed, for people; null where none has. */
  failure: string | null;
}

export interface LeftOverRefusedAct {
  placement: Placement;
  id: string;
  /** For people. */
  why: string;
}

export interface HaltedSweep extends Halt {
  pool: string;
  placement: string;
}

export interface ConfirmSweepAct {
  pool: string;
  placement: string;
  count: number;
  by: string;
  now: Date;
}

export interface SweepResult {
  /** Unknown instances seen for the first time. */
  sighted: number;
  /** Instances condemned now. */
  condemned: readonly string[];
  /**
   * Condemned left-overs whose time has come, at most `LEFT_OVERS_A_SWEEP`; none while deletions are frozen. Each is
   * answered again, after a pause that doubles with each answer, for as long as it is listed.
   */
  leftOvers: readonly LeftOver[];
  /** Machines whose instance is gone: their lease is lost, their intent a retire. */
  lost: readonly string[];
  /** Unless it is `go`, nothing was condemned and nothing was lost, whatever was found. */
  verdict: SweepVerdict;
  /** For people. */
  why: string;
  counts: SweepCounts;
}
