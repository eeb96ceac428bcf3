import type { ScaledClock } from '../scaled-clock.ts';
import { createTokenBucket } from '../token-bucket.ts';
import type { TokenBucket } from '../token-bucket.ts';
import { ArmError } from './arm-error.ts';
import type { ArmSettings } from './arm-options.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { FRONT_DOOR, POLICIES } from './throttle-policies.ts';
import type { PolicyName, ThrottlePolicy } from './throttle-policies.ts';

/** What a call costs. */
export interface Charge {
  method: string;
  policies: readonly PolicyName[];
  /** Whose per-resource buckets it draws on: the scale set, or the machine in it. */
  resource: string;
  /** How many machines it is about, for the policy of batched requests. */
  machines: number;
}

export interface Throttles {
  /** Takes the tokens and answers the headers that tell what remains; throws a 429 and takes none where they lack. */
  take(charge: Charge): Record<string, string>;
  /** The 429 that this call would get, for a fault. */
  refusal(charge: Charge): ArmError;
}

interface Draw {
  /** The policy's name, or the front door's kind. */
  name: string;
  bucket: TokenBucket;
  max: number;
  count: number;
}

export function createThrottles(clock: ScaledClock, settings: ArmSettings): Throttles {
  const buckets = new Map<string, TokenBucket>();
  const bucket: Buckets = (key, size) => {
    const present = buckets.get(key) ?? createTokenBucket(size, () => clock.cloudMs());
    buckets.set(key, present);
    return present;
  };
  return {
    take(charge) {
      if (!settings.throttling) return {};
      const door = doorDraw(charge, bucket);
      if (door.bucket.remaining() < 1) throw refusedAtTheDoor(door, settings);
      const wanted = policyDraws(charge, bucket);
      const lacking = wanted.find((draw) => draw.bucket.remaining() < draw.count);
      if (lacking !== undefined) throw refusedByPolicy(lacking, clock, settings);
      for (const draw of [door, ...wanted]) draw.bucket.take(draw.count);
      return remainingHeaders(door, wanted);
    },
    refusal(charge) {
      const [draw] = policyDraws(charge, bucket);
      return draw === undefined
        ? refusedAtTheDoor(doorDraw(charge, bucket), settings)
        : refusedByPolicy(draw, clock, settings);
    },
  };
}

type Buckets = (key: string, size: { max: number; refillPerSecond: number }) => TokenBucket;

function doorDraw({ method }: Charge, bucket: Buckets): Draw {
  const kind = kindOf(method);
  return { name: kind, bucket: bucket(kind, FRONT_DOOR[kind]), max: FRONT_DOOR[kind].max, count: 1 };
}

function policyDraws({ policies, resource, machines }: Charge, bucket: Buckets): Draw[] {
  return policies.flatMap((key) => {
    const policy: ThrottlePolicy = POLICIES[key];
    const scopes = [{ scope: 'subscription', rate: policy.perSubscription }];
    if (policy.perResource !== undefined) scopes.push({ scope: resource, rate: policy.perResource });
    return scopes.map(({ scope, rate }) => ({
      name: policy.name,
      bucket: bucket(`${policy.name} ${scope}`, { max: rate.max, refillPerSecond: rate.perMinute / 60 }),
      max: rate.max,
      count: key === 'batchedVms' ? Math.max(1, machines) : 1,
    }));
  });
}

/** A throttled call has to wait at least as long as it takes for one token of the slowest bucket. */
const LEAST_WAIT_MS = 15_000;

function kindOf(method: string): keyof typeof FRONT_DOOR {
  if (method === 'GET') return 'reads';
  return method === 'DELETE' ? 'deletes' : 'writes';
}

function remainingHeaders(door: Draw, wanted: readonly Draw[]): Record<string, string> {
  const headers = { [`x-ms-ratelimit-remaining-subscription-${door.name}`]: String(door.bucket.remaining()) };
  if (wanted.length === 0) return headers;
  // A policy with two buckets shows the emptier one.
  const left = new Map<string, number>();
  for (const draw of wanted) {
    left.set(draw.name, Math.min(left.get(draw.name) ?? Number.POSITIVE_INFINITY, draw.bucket.remaining()));
  }
  headers['x-ms-ratelimit-remaining-resource'] = [...left]
    .map(([name, remaining]) => `Microsoft.Compute/${name};${remaining}`)
    .join(',');
  headers['x-ms-request-charge'] = String(Math.max(...wanted.map((draw) => draw.count)));
  return headers;
}

function refusedByPolicy(draw: Draw, clock: ScaledClock, settings: ArmSettings): ArmError {
  const waitMs = draw.bucket.waitMs(draw.count);
  const endMs = clock.realMs();
  const message = JSON.stringify({
    operationGroup: draw.name,
    startTime: new Date(endMs - 60_000).toISOString(),
    endTime: new Date(endMs).toISOString(),
    allowedRequestCount: draw.max,
    measuredRequestCount: draw.max + 1,
  });
  return new ArmError(429, 'OperationNotAllowed', {
    message:
      'The server rejected the request because too many requests have been received for this subscription.',
    details: [{ code: 'TooManyRequests', target: draw.name, message }],
    headers: {
      'retry-after': retryAfterSeconds(waitMs > 0 ? waitMs : LEAST_WAIT_MS, settings.speed),
      'x-ms-ratelimit-remaining-resource': `Microsoft.Compute/${draw.name};0`,
    },
  });
}

function refusedAtTheDoor(door: Draw, settings: ArmSettings): ArmError {
  return new ArmError(429, 'SubscriptionRequestsThrottled', {
    message: `Number of '${door.name}' requests for subscription '${settings.subscriptionId}' exceeded. Please try again after additional tokens are available.`,
    headers: {
      'retry-after': retryAfterSeconds(Math.max(1000, door.bucket.waitMs(1)), settings.speed),
      [`x-ms-ratelimit-remaining-subscription-${door.name}`]: '0',
    },
  });
}
