import { createTokenBucket, type TokenBucket } from '../token-bucket.ts';
import { requestLimitExceeded } from './ec2-error.ts';

/** The account's token buckets; every refusal is the vendor's RequestLimitExceeded and takes no token. */
export interface RequestLimits {
  /** One request of this action; `narrowed` is false where it has neither a filter nor a page size. */
  takeRequest(action: string, narrowed: boolean): void;
  /** So many instances that this action starts, stops or deletes. */
  takeResources(action: string, count: number): void;
}

interface BucketSize {
  max: number;
  refillPerSecond: number;
}

/** As published: tokens, and how many come back each second of cloud time; a bucket per action. */
const REQUESTS: ReadonlyMap<string, BucketSize> = new Map([
  ['RunInstances', { max: 5, refillPerSecond: 2 }],
  ['StartInstances', { max: 5, refillPerSecond: 2 }],
  ['TerminateInstances', { max: 100, refillPerSecond: 5 }],
  ['CreateTags', { max: 100, refillPerSecond: 10 }],
  ['DeleteVolume', { max: 100, refillPerSecond: 5 }],
  ['DeleteNetworkInterface', { max: 100, refillPerSecond: 5 }],
]);
const OTHER_MUTATING: BucketSize = { max: 50, refillPerSecond: 5 };
const OTHER_READING: BucketSize = { max: 100, refillPerSecond: 20 };

const UNNARROWED: BucketSize = { max: 50, refillPerSecond: 10 };
const HAS_UNNARROWED_BUCKET: ReadonlySet<string> = new Set([
  'DescribeInstances',
  'DescribeInstanceStatus',
  'DescribeNetworkInterfaces',
  'DescribeSpotInstanceRequests',
  'DescribeVolumes',
]);

const RESOURCES: ReadonlyMap<string, BucketSize> = new Map([
  ['RunInstances', { max: 1000, refillPerSecond: 2 }],
  ['StartInstances', { max: 1000, refillPerSecond: 2 }],
  ['StopInstances', { max: 1000, refillPerSecond: 20 }],
  ['TerminateInstances', { max: 1000, refillPerSecond: 20 }],
]);

export function createRequestLimits(cloudMs: () => number): RequestLimits {
  const buckets = new Map<string, TokenBucket>();
  const take = (name: string, size: BucketSize, count: number): void => {
    const bucket = buckets.get(name) ?? createTokenBucket(size, cloudMs);
    buckets.set(name, bucket);
    if (!bucket.take(count)) throw requestLimitExceeded();
  };
  return {
    takeRequest(action, narrowed) {
      if (!narrowed && HAS_UNNARROWED_BUCKET.has(action)) take(`${action} unnarrowed`, UNNARROWED, 1);
      else take(`${action} requests`, REQUESTS.get(action) ?? defaultSize(action), 1);
    },
    takeResources(action, count) {
      const size = RESOURCES.get(action);
      if (size !== undefined) take(`${action} resources`, size, count);
    },
  };
}

/** For an account without limits. */
export function createNoRequestLimits(): RequestLimits {
  return { takeRequest: () => undefined, takeResources: () => undefined };
}

function defaultSize(action: string): BucketSize {
  return action.startsWith('Describe') ? OTHER_READING : OTHER_MUTATING;
}
