import { FleetError } from '../../fleet/errors.ts';
import type { Bucket, Budgets } from '../../fleet/provider.ts';
import type { ScaleSet } from './placement.ts';
import { headerOf, retryAfterMs } from './reply.ts';
import type { Reply } from './reply.ts';

/** Every kind of call that the provider makes. */
export type Call =
  | 'readSet'
  | 'grow'
  | 'start'
  | 'stop'
  | 'reset'
  | 'delete'
  | 'readOperation'
  | 'listMachines'
  | 'listCards'
  | 'listUsages'
  | 'listSizes';

export interface Rates {
  /** Takes what one call costs. Throws FleetError `throttled` where it may not be sent yet; nothing was sent then. */
  take(call: Call, set: ScaleSet): Promise<void>;
  /** Learns from an answer: 429 and what Azure says is left. */
  heard(call: Call, set: ScaleSet, reply: Reply): Promise<void>;
}

/**
 * The published limits as shared buckets: per set, per subscription and region, and at Azure's front door. Their
 * refill is multiplied by `refillFactor`.
 */
export function createRates(deps: { budgets: Budgets; refillFactor: number; nowMs: () => number }): Rates {
  const { budgets, refillFactor, nowMs } = deps;
  const bucketsFor = (call: Call, set: ScaleSet): Buckets => faster(bucketsOf(call, set), refillFactor);
  return {
    async take(call, set) {
      for (const bucket of Object.values<Bucket>({ ...bucketsFor(call, set) })) {
        const waitMs = await budgets.take(bucket, 1).catch((error: unknown) => unknownBudget(error));
        if (waitMs > 0) throw tooFast(bucket, waitMs);
      }
    },
    async heard(call, set, reply) {
      const buckets = bucketsFor(call, set);
      if (reply.status === 429) {
        const bucket = throttledBucket(buckets, reply);
        return budgets.throttled(bucket, retryAfterMs(reply, nowMs()) ?? oneTokenMs(bucket));
      }
      for (const bucket of exhausted(buckets, reply)) await budgets.throttled(bucket, oneTokenMs(bucket));
    },
  };
}

interface Buckets {
  resource?: Bucket;
  subscription?: Bucket;
  door: Bucket;
}

/** Refill per minute and size, as published for Microsoft.Compute (per region) in the model of 2024. */
type Limit = readonly [perMinute: number, max: number];

interface Policy {
  name: string;
  resource?: Limit;
  subscription?: Limit;
}

const UPDATE_SET: Policy = { name: 'VMScaleSetUpdate', resource: [4, 12], subscription: [500, 1500] };
const ACT_ON_SET: Policy = { name: 'VMScaleSetAct', subscription: [500, 1500] };
/** Published for deleting a set and deallocating; deleteInstances is charged to it as well. */
const DELETE_IN_SET: Policy = { name: 'VMScaleSetDelete', resource: [4, 12], subscription: [175, 525] };
const STOP_IN_SET: Policy = { name: 'VMScaleSetDelete', subscription: [175, 525] };
const READ_SET: Policy = { name: 'VMScaleSetLowCostGet', resource: [12, 36], subscription: [800, 2400] };
const LIST_IN_SET: Policy = { name: 'VMScaleSetHighCostGet', subscription: [360, 1080] };
const READ_OPERATION: Policy = { name: 'GetOperation', resource: [15, 45], subscription: [5000, 15_000] };
/** The network provider's: 10,000 reads in 5 minutes. */
const READ_NETWORK: Policy = { name: 'NetworkReads', subscription: [2000, 10_000] };
/** No limit of its own is published. */
const FRONT_DOOR_ONLY: Policy = { name: 'Other' };

const POLICIES: Record<Call, Policy> = {
  readSet: READ_SET,
  grow: UPDATE_SET,
  start: ACT_ON_SET,
  stop: STOP_IN_SET,
  reset: ACT_ON_SET,
  delete: DELETE_IN_SET,
  readOperation: READ_OPERATION,
  listMachines: LIST_IN_SET,
  listCards: READ_NETWORK,
  listUsages: FRONT_DOOR_ONLY,
  listSizes: FRONT_DOOR_ONLY,
};

const WRITES: ReadonlySet<Call> = new Set<Call>(['grow', 'start', 'stop', 'reset', 'delete']);

/** The narrowest first: where it has run dry, the wider ones are spared. */
function bucketsOf(call: Call, set: ScaleSet): Buckets {
  const { name, resource, subscription } = POLICIES[call];
  const account = `azure:${set.subscriptionId.toLowerCase()}`;
  return {
    ...(resource === undefined ? {} : { resource: perMinute(`azure:${set.id}:${name}`, resource) }),
    ...(subscription === undefined
      ? {}
      : { subscription: perMinute(`${account}:${set.location}:${name}`, subscription) }),
    door: WRITES.has(call)
      ? { key: `${account}:writes`, max: 200, refillPerSecond: 10 }
      : { key: `${account}:reads`, max: 250, refillPerSecond: 25 },
  };
}

function faster(buckets: Buckets, factor: number): Buckets {
  const each = (bucket: Bucket): Bucket => ({ ...bucket, refillPerSecond: bucket.refillPerSecond * factor });
  return {
    ...(buckets.resource === undefined ? {} : { resource: each(buckets.resource) }),
    ...(buckets.subscription === undefined ? {} : { subscription: each(buckets.subscription) }),
    door: each(buckets.door),
  };
}

function perMinute(key: string, [refill, max]: Limit): Bucket {
  return { key, max, refillPerSecond: refill / 60 };
}

function oneTokenMs(bucket: Bucket): number {
  return Math.ceil(1000 / bucket.refillPerSecond);
}

/** Which of the call's limits a 429 is about, by the policy that it names. */
function throttledBucket(buckets: Buckets, reply: Reply): Bucket {
  const policy = JSON.stringify(reply.body ?? '');
  if (/SubscriptionRequestsThrottled|ResourceRequestsThrottled/i.test(policy)) return buckets.door;
  return bucketFor(buckets, policy);
}

function bucketFor(buckets: Buckets, policy: string): Bucket {
  const wide = buckets.subscription ?? buckets.door;
  return /subscription/i.test(policy) ? wide : (buckets.resource ?? wide);
}

/** `x-ms-ratelimit-remaining-resource: Microsoft.Compute/<policy>;<left>[,...]`, where nothing is left. */
function exhausted(buckets: Buckets, reply: Reply): Bucket[] {
  const header = headerOf(reply, 'x-ms-ratelimit-remaining-resource') ?? '';
  const dry = header.split(',').filter((entry) => /;\s*0+\s*$/.test(entry));
  return [...new Set(dry.map((entry) => bucketFor(buckets, entry)))];
}

function tooFast(bucket: Bucket, waitMs: number): FleetError {
  return new FleetError(`The budget ${bucket.key} allows the next call in ${Math.ceil(waitMs)} ms.`, {
    code: 'throttled',
    remedy: 'retry-later',
    retryAfterMs: Math.ceil(waitMs),
  });
}

function unknownBudget(cause: unknown): never {
  throw new FleetError('The budgets of calls cannot be read, so no call is sent. Check that Redis answers.', {
    code: 'unavailable',
    remedy: 'retry-later',
    cause,
  });
}
