import type { FreezeActs } from './brakes.ts';
import type { IntentKind, LeaseOutcome, LeaseState, MachineState, Step } from './lifecycle.ts';
import type { HoursActs } from './machine-hours.ts';
import type { Lease, LeaseRequest, Pool } from './pool.ts';
import type { BatchMember, Json, Look, Placement, Verb } from './provider.ts';
import type { ReconcileActs } from './reconcile-acts.ts';

/**
 * The fleet's memory. Every write is one guarded act: it changes what its guards allow or nothing at all, and what
 * it answers is what stands in the store after it. Nothing but these acts keeps the promise that deletion never
 * overtakes release; queues and locks only spare work.
 */
export interface Store
  extends MachineActs, BatchActs, LeaseActs, PoolActs, ReconcileActs, FreezeActs, HoursActs {}

export interface Machine {
  id: string;
  pool: string;
  placement: string;
  state: MachineState;
  intent: string | null;
  intentKind: IntentKind | null;
  /** Fencing token: goes up with each claim. */
  token: number;
  claimedUntil: Date | null;
  /** The job that claimed it: the one that its step's outcome wakes. */
  claimedBy: string | null;
  batch: string | null;
  lease: string | null;
  instance: string | null;
  address: string | null;
  clean: boolean;
  /** Powered off: it must be started (or reset) before it can boot. */
  halted: boolean;
  uses: number;
  owed: Step | null;
  ring: number;
  deadlineAt: Date | null;
  stateSince: Date;
  /** Failed attempts at the step it owes now. */
  failures: number;
  failure: string | null;
  /** How often its deletion was refused; above 0 it is set aside: tried again by itself, after growing pauses. */
  refusals: number;
  /** When it was refused first. */
  refusedSince: Date | null;
}

/** Who writes, when, and how long each state may last. */
export interface Act {
  machine: string;
  /** The job or process, for people. */
  by: string;
  now: Date;
  deadlines: Pool['deadlines'];
}

/** What is told of a machine that an act has changed: its worker needs no more to go on. */
export type Changed = Pick<Machine, 'id' | 'state' | 'token' | 'owed' | 'intent' | 'placement' | 'instance'>;

export interface Granted<Told = Changed> {
  granted: true;
  machine: Told;
}
/** `machine` is what stands in its row; undefined where there is none. */
export interface Refused {
  granted: false;
  machine: Machine | undefined;
}
export type Answer<Told = Changed> = Granted<Told> | Refused;

export type JoinAnswer = (Granted & { batch: JoinedBatch }) | (Refused & { batch?: undefined });

export interface JoinedBatch {
  id: string;
  closeAt: Date;
  /** True for the one who opened it: its job is that one's to add. */
  opened: boolean;
}

export interface MachineActs {
  look(machine: string): Promise<Machine | undefined>;
  /**
   * Claims a step: tests state, open intent and its kind on the machine's row alone, moves it on
   * (leased -> stopping, released -> resetting or deleting ...), raises the token and sets `claimedUntil`. A step
   * already being done is claimed again only after `claimedUntil`, and never while the machine is in a batch.
   */
  claim(act: Act & { step: 'stop' | 'delete' | 'provision'; until: Date }): Promise<Answer>;
  /**
   * Claims a step and puts the machine into the open batch of its lane, verb and group, in one write; opens one if
   * need be. Refused where a claim would be, and where the step does not ask for that verb.
   */
  join(act: JoinAct): Promise<JoinAnswer>;
  /**
   * Ends a step that needs no cloud call, under its token: stopping -> stopped, deleting -> deleted. Without a token
   * it is a stop that needs no claim, since it asks nobody for anything: leased -> stopped, as one write, with the
   * guards of a claim. A machine that is to be parked, or that nobody had leased, is not stopped like that.
   */
  finish(act: Act & { step: 'stop' | 'delete'; token: number | null }): Promise<Answer>;
  /** The release transaction: lease ended with its outcome, machine released and, by its intent, parked or quarantined. */
  release(act: Act): Promise<Answer>;
  /** booting -> ready, under the token it was seen with: closes the intent. Only a clean machine becomes ready. */
  becomeReady(act: Act & { token: number }): Promise<Answer>;
  /**
   * Opens an intent, or replaces a milder one; in the same write an active lease on the machine goes to ending with
   * `outcome`, and one that is lost with retries left is succeeded by a pending lease of the same request. A machine still requested is deleted at once by a retire while its batch is open.
   */
  openIntent(act: OpenIntentAct): Promise<Answer<Machine>>;
}

export interface OpenIntentAct extends Act {
  kind: IntentKind;
  reason: string;
  /** What an active lease on it ends with. */
  outcome: LeaseOutcome;
  token?: number;
}

export interface JoinAct extends Act {
  step: Step;
  /** Until when the claim lasts should the machine leave its batch without an outcome. */
  until: Date;
  verb: Verb;
  lane: string;
  group: string;
  placement: Placement;
  closeAt: Date;
  /** The most members the batch takes. */
  size: number;
}

export interface Batch {
  id: string;
  lane: string;
  verb: Verb;
  placement: Placement;
  state: 'open' | 'closed' | 'sent' | 'ended';
  token: number;
  closeAt: Date;
  claimedUntil: Date | null;
  lookAt: Date | null;
  handle: Json;
  /** Every member it was closed with: what a replay must carry. */
  members: readonly BatchMember[];
  /** Members that still wait for their outcome. */
  pending: readonly string[];
  failures: number;
}

export interface BatchActs {
  lookBatch(batch: string): Promise<Batch | undefined>;
  /**
   * Freezes members and parameters, moves requested members to provisioning, and claims the batch for sending, in one
   * write. Refused while its lane is busy with another batch, or its verb is frozen.
   */
  closeBatch(act: BatchAct): Promise<Batch | undefined>;
  /**
   * Claims a closed batch whose claim has run out (a replay), or one sent whose look is due. Taking over a call whose
   * answer is unknown, of a verb the cloud does not deduplicate, makes every member's intent a retire (an open quarantine stays).
   */
  claimBatch(act: BatchAct & { replaySafe: boolean }): Promise<Batch | undefined>;
  /** Claims every sent batch of a lane whose look is due, so that one poll answers them all. */
  claimLane(act: Omit<BatchAct, 'batch'> & { lane: string }): Promise<readonly Batch[]>;
  /**
   * Writes down what a look showed, under the batch's token: handle, launched instances and who adopts them, each
   * member's outcome under the member's own token, the lane, the end. Surplus is condemned before a batch ends.
   */
  recordLook(act: {
    batch: string;
    token: number;
    look: Look;
    by: string;
    now: Date;
    pools: readonly Pool[];
  }): Promise<{
    recorded: boolean;
    ended: boolean;
    /** Once it has ended: pools of its machines that may want to grow now, since they are asked for or keep some idle. */
    pools: readonly string[];
  }>;
  /** Puts off the next try of a batch, under its token, after a refusal or a throttled call. */
  delayBatch(act: {
    batch: string;
    token: number;
    until: Date;
    failure: string;
    now: Date;
    /** True where the call may have been executed: its next claimant takes over something unknown. */
    inDoubt: boolean;
  }): Promise<boolean>;
  /** Keeps a claim for longer while its call is under way; false where somebody else has it. */
  renewBatch(act: { batch: string; token: number; until: Date }): Promise<boolean>;
  /**
   * Books a refusal that no retry mends as every pending member's failure, and ends the batch; only where the cloud
   * has said that it executed nothing.
   */
  failBatch(act: {
    batch: string;
    token: number;
    failure: string;
    by: string;
    now: Date;
    pools: readonly Pool[];
  }): Promise<boolean>;
}

export interface BatchAct {
  batch: string;
  by: string;
  now: Date;
  until: Date;
}

export interface LeaseActs {
  /**
   * Writes down a request, durable once answered. The same owner and key give the same lease again;
   * `conflict` where the key came with another request.
   */
  requestLease(act: {
    id: string;
    request: LeaseRequest;
    pools: readonly string[];
    now: Date;
    digest: string;
  }): Promise<{ lease: Lease; created: boolean } | 'conflict'>;
  readLease(lease: string): Promise<Lease | undefined>;
  /** Extends the heartbeat of an active lease; answers the lease as it is then. */
  heartbeat(act: { lease: string; owner: string; now: Date }): Promise<Lease | undefined>;
  /**
   * Ends a lease for its user: pending -> cancelled, active -> ending, with the machine's intent opened in the same
   * write. Ending an ended lease changes nothing. Undefined where this owner has no such lease.
   */
  endLease(act: EndLeaseAct): Promise<Lease | undefined>;
  /** Pairs pending requests with ready machines of one pool, in one statement; answers the leases that began. */
  match(act: { pool: Pool; now: Date; by: string; limit: number }): Promise<readonly Lease[]>;
  /** Ends up to `limit` leases that are past their deadline: pending -> failed, active -> ending (expired). */
  expireLeases(act: { now: Date; by: string; limit: number }): Promise<readonly Lease[]>;
}

export interface EndLeaseAct {
  lease: string;
  /** null for an operator or a worker, who may end anybody's. */
  owner: string | null;
  outcome: LeaseOutcome;
  reason: string | null;
  by: string;
  now: Date;
}

/** A machine that waits for somebody who needs it. */
export type Resting = Pick<Machine, 'id' | 'state' | 'token' | 'stateSince'>;

export interface PoolView {
  pool: Pool;
  /** Changes with every write that could change a plan. */
  version: number;
  /** Living machines: all but those deleted. */
  machines: number;
  /** Of these, the ones on their way to ready. */
  coming: number;
  /** Of these, the ones ready or parked that no intent is open for: the longest in their state first. */
  resting: readonly Resting[];
  /** Instances at this pool's placements that no machine owns and that are not gone. */
  unowned: number;
  /** Pending requests that this pool could serve. */
  pending: number;
  /** True where its limit on machine-hours, or the fleet's, is noted as reached. */
  hoursReached: boolean;
  /** Until when each placement is left alone after a refusal. */
  coolUntil: Readonly<Record<string, Date>>;
}

export interface PoolActs {
  /** Makes the pools owned by the file be these: adds, changes, and drains the ones no longer there. */
  applyPools(act: { pools: readonly Pool[]; now: Date }): Promise<void>;
  pools(): Promise<readonly Pool[]>;
  pool(name: string): Promise<Pool | undefined>;
  viewPool(name: string): Promise<PoolView | undefined>;
  /**
   * Adds up to `count` requested machines with their open provision intents, never beyond the pool's max; none where
   * the pool has changed since `version` was read, or where a limit on machine-hours is reached. Answers their ids.
   */
  provision(act: ProvisionAct): Promise<readonly string[]>;
}

export interface ProvisionAct {
  pool: Pool;
  placement: string;
  count: number;
  version: number;
  reason: string;
  now: Date;
  by: string;
}

/** States of a lease in which its hold on a machine stands. */
export const HOLDING: readonly LeaseState[] = ['active', 'ending'];
