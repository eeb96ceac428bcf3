import { FleetError } from '../../fleet/errors.ts';
import type { Bucket, Budgets } from '../../fleet/provider.ts';
import { toFleetError } from './failures.ts';
import type { Site } from './placement.ts';

interface Rate {
  max: number;
  refillPerSecond: number;
}

/** Published per account, region and action (ec2-api-throttling): requests, and how many come back each second. */
const READING: Rate = { max: 100, refillPerSecond: 20 };
const MUTATING: Rate = { max: 50, refillPerSecond: 5 };
const REQUESTS: Readonly<Record<string, Rate>> = {
  RunInstances: { max: 5, refillPerSecond: 2 },
  StartInstances: { max: 5, refillPerSecond: 2 },
  TerminateInstances: { max: 100, refillPerSecond: 5 },
  DeleteVolume: { max: 100, refillPerSecond: 5 },
  DeleteNetworkInterface: { max: 100, refillPerSecond: 5 },
};
/** The same for the instances that a call launches, starts, stops or deletes; both buckets must have enough. */
const INSTANCES: Readonly<Record<string, Rate>> = {
  RunInstances: { max: 1000, refillPerSecond: 2 },
  StartInstances: { max: 1000, refillPerSecond: 2 },
  StopInstances: { max: 1000, refillPerSecond: 20 },
  TerminateInstances: { max: 1000, refillPerSecond: 20 },
};

interface Paced {
  site: Site;
  action: string;
  mutating: boolean;
  /** How many instances the call is for. */
  instances: number;
}

export interface Rates {
  /** Takes what the call costs; throws FleetError `throttled` while the budgets do not allow it. */
  enter(call: Paced): Promise<void>;
  /** Tells the budgets that EC2 refused a call for its rate; answers the error to throw. */
  refused(call: Paced, error: FleetError): Promise<FleetError>;
}

/** Keeps calls within the published rates, whose refill is multiplied by `refillFactor`. */
export function createRates(budgets: Budgets, refillFactor: number): Rates {
  const bucket = (call: Paced, kind: string, rate: Rate): Bucket => ({
    key: `aws:${call.site.account}:${call.site.region}:${call.action}${kind}`,
    max: rate.max,
    refillPerSecond: rate.refillPerSecond * refillFactor,
  });
  const requests = (call: Paced): Bucket =>
    bucket(call, '', REQUESTS[call.action] ?? (call.mutating ? MUTATING : READING));
  const instances = (call: Paced): Bucket | undefined => {
    const rate = INSTANCES[call.action];
    return rate === undefined ? undefined : bucket(call, ':instances', rate);
  };
  const take = async (from: Bucket, call: Paced, count: number): Promise<void> => {
    const waitMs = await asked(call, () => budgets.take(from, count));
    if (waitMs > 0)
      throw throttled(`The budget for ${call.action} allows the next call in ${waitMs} ms.`, waitMs);
  };
  return {
    async enter(call) {
      // A request's token is the cheaper one to lose where the other bucket then says wait.
      await take(requests(call), call, 1);
      const resources = instances(call);
      if (resources !== undefined) await take(resources, call, Math.min(call.instances, resources.max));
    },
    async refused(call, error) {
      // EC2 names neither the bucket that was empty nor a time: a second brings two requests back at the slowest rate.
      const waitMs = error.retryAfterMs ?? Math.ceil(1000 / refillFactor);
      await asked(call, () => budgets.throttled(requests(call), waitMs));
      return throttled(error.message, waitMs, error);
    },
  };
}

/** Budgets that cannot be asked refuse the call: it would be sent unpaced by every process at once. */
async function asked<Answer>(call: Paced, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof FleetError) throw error;
    throw new FleetError(`The call budgets could not be asked before ${call.action}.`, {
      code: 'unavailable',
      remedy: 'retry',
      cause: toFleetError(error, call),
    });
  }
}

function throttled(message: string, retryAfterMs: number, error?: FleetError): FleetError {
  return new FleetError(message, {
    code: 'throttled',
    remedy: 'retry-later',
    retryAfterMs,
    cause: error,
    ...(error?.vendorCode !== undefined && { vendorCode: error.vendorCode }),
  });
}
