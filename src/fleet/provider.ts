import type { MachineState } from './lifecycle.ts';
import type { FleetError } from './errors.ts';

/** The acts a cloud does for many machines at once. */
export const VERBS = ['launch', 'start', 'stop', 'reset', 'delete'] as const;
export type Verb = (typeof VERBS)[number];

/** The state in which a machine waits for its verb's outcome. */
export const WORKED_ON = {
  launch: 'requested',
  start: 'booting',
  stop: 'stopping',
  reset: 'resetting',
  delete: 'deleting',
} as const satisfies Record<Verb, MachineState>;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Where machines come from; `spec` has passed the provider's own placement schema. */
export interface Placement {
  pool: string;
  name: string;
  provider: string;
  spec: Json;
}

export interface BatchMember {
  machine: string;
  /** The cloud's id: EC2's `i-…`, a scale set instance's full resource id in lower case; null before a launch. */
  instance: string | null;
}

/**
 * One cloud call on behalf of many machines, as it was frozen when its batch closed. A replay carries the same
 * `batch`, placement and members; `handle` is what the last look at it returned.
 */
export interface BatchCall {
  /** The batch's id, a UUID: the idempotency token, the same on every replay and never used again. */
  batch: string;
  verb: Verb;
  placement: Placement;
  members: readonly BatchMember[];
  handle: Json;
}

export interface LaunchedInstance {
  instance: string;
  state: 'pending' | 'running' | 'gone';
  /** The address the probe and the lease's user reach it at; null while the cloud has not told one. */
  address: string | null;
}

export type Progress =
  | { state: 'pending' }
  /** For start and reset: the cloud says that it runs again; for delete: that everything of it is gone. */
  | { state: 'done'; address?: string | null }
  | { state: 'failed'; error: FleetError };

/** What is known of a batch's call after it was sent or looked at. */
export interface Look {
  /** Stored and handed back with the next look or replay: operation URL, ETag, task ids. Never a secret. */
  handle: Json;
  /** True while no other batch of the lane may be sent. */
  holdsLane: boolean;
  /** When looking again makes sense, in milliseconds from now. */
  lookInMs: number;
  /** By the instance's id, for start, stop, reset and delete: every member of the call is in it. */
  outcomes: Readonly<Record<string, Progress>>;
  /** Launch only: everything this call has made so far, surplus included. */
  launched: readonly LaunchedInstance[];
  /** Launch only: nothing further will be made under this call. */
  settled: boolean;
  /** Launch only: why fewer were made than asked for, once it is settled. */
  error?: FleetError;
}

export interface InventoryItem {
  instance: string;
  state: 'pending' | 'running' | 'stopping' | 'stopped' | 'deleting' | 'gone' | 'unknown';
  address: string | null;
  /** The batch whose launch made it, where the cloud keeps that (a tag); null otherwise. */
  batch: string | null;
  /** The cloud has announced that it takes the instance away, and will not think better of it. */
  interrupted?: boolean;
}

/** A resource that no instance has. Whatever the cloud itself takes away with an instance is never one. */
export interface LeftOver {
  kind: 'disk' | 'network-card' | 'address';
  /** The cloud's id. */
  id: string;
}

/** Everything of this installation at one placement. Only ever a whole listing: a page that fails fails it all. */
export interface Inventory {
  instances: readonly InventoryItem[];
  leftOvers: readonly LeftOver[];
}

export interface Capabilities {
  reset: 'reimage' | 'replace-root' | 'none';
  park: 'stop' | 'hibernate' | 'deallocate' | 'none';
  /** The most members one call of each verb takes. */
  batchSizes: Readonly<Record<Verb, number>>;
  /** Verbs that the cloud executes once however often the same batch is sent. */
  replaySafe: readonly Verb[];
}

/**
 * A cloud. Methods throw FleetError alone. An error with `maybeExecuted` means that the call must be replayed under
 * the same batch until it is answered. "gone" is only ever what the cloud said, never read from an error of ours.
 * No method sends a call whose list of instances is empty or missing.
 */
export interface Provider {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** The lane of a verb at a placement, and the group within it whose machines may share one call. */
  lane(verb: Verb, placement: Placement): { lane: string; group: string };
  launch(call: BatchCall, signal: AbortSignal): Promise<Look>;
  start(call: BatchCall, signal: AbortSignal): Promise<Look>;
  stop(call: BatchCall, signal: AbortSignal): Promise<Look>;
  reset(call: BatchCall, signal: AbortSignal): Promise<Look>;
  delete(call: BatchCall, signal: AbortSignal): Promise<Look>;
  /** Looks at calls already sent, all of one lane, in as few calls as can be; answers in their order. */
  poll(calls: readonly BatchCall[], signal: AbortSignal): Promise<Look[]>;
  inventory(placement: Placement, signal: AbortSignal): Promise<Inventory>;
  /**
   * Deletes what an inventory of this placement has listed as left over; one that is gone already is no error. The
   * cloud refuses it for what an instance has, and never gives its id to anything else: sent twice, or late, it is
   * harmless.
   */
  deleteLeftOver(placement: Placement, leftOver: LeftOver, signal: AbortSignal): Promise<void>;
  /** How many more machines the account may have there; Infinity where the cloud names no limit. */
  quota(placement: Placement, signal: AbortSignal): Promise<number>;
  /** Lets go of connections; safe to call twice. */
  close(): Promise<void>;
}

/** A token bucket shared by all processes of one installation. */
export interface Bucket {
  /** Account, region and kind of call, e.g. `aws:123:eu-west-1:RunInstances`. */
  key: string;
  max: number;
  refillPerSecond: number;
}

export interface Budgets {
  /** Takes `count` tokens; 0 when they were taken, otherwise the milliseconds to wait before asking again. */
  take(bucket: Bucket, count: number): Promise<number>;
  /** Tells what the cloud answered, so that nobody calls again before it allows. */
  throttled(bucket: Bucket, retryAfterMs: number): Promise<void>;
}
