import type { Refusal } from '../fleet/leasing.ts';
import type { Lease } from '../fleet/pool.ts';
import { ApiError } from './error-reply.ts';

export const ASKS_FOR_NOTHING = {
  status: 422,
  code: 'asks_for_nothing',
  message: 'The request names neither a pool nor what its machine must have.',
  hint: 'Give pool, or platform, arch or tags.',
  field: 'pool',
  rule: 'required',
} as const;

export const KEY_CONFLICT = {
  status: 409,
  code: 'idempotency_conflict',
  message: 'This Idempotency-Key was used before, with another request.',
  hint: 'Use a new key for a new request, and the same body when sending one again.',
  field: 'idempotency-key',
} as const;

export function refused({ field, rule, asked, known }: Refusal): ApiError {
  const told = {
    unknown: { code: 'unknown_pool', message: `There is no pool ${asked}.` },
    draining: {
      code: 'pool_draining',
      message: `The pool ${asked} was removed: it ends its leases and takes no more.`,
    },
    unserved: {
      code: 'no_pool_fits',
      message: `No pool could ever serve this request: ${field} ${asked} rules out all.`,
    },
  }[rule];
  const hint =
    known.length === 0 ? 'Nothing would do there at present.' : `Known there: ${known.join(', ')}.`;
  return new ApiError({ status: 422, ...told, field, rule, hint });
}

export function noSuchLease(id: string): ApiError {
  return new ApiError({
    status: 404,
    code: 'no_such_lease',
    message: `You have no lease ${id}.`,
    hint: 'GET /v1/leases lists yours; ended ones are kept for a while only.',
  });
}

export function stillPending(id: string, hint: string): ApiError {
  return new ApiError({
    status: 409,
    code: 'lease_pending',
    message: `The lease ${id} has no machine yet.`,
    hint,
  });
}

export function leaseEnded(lease: Lease): ApiError {
  const outcome = lease.outcome ?? lease.state;
  const because = lease.reason === null ? '' : ` (${lease.reason})`;
  return new ApiError({
    status: 409,
    code: 'lease_ended',
    message: `The lease ${lease.id} is over: ${outcome}${because}.`,
    hint: `Stop using its machine, which may be somebody else's at any moment. ${whatFollows(lease)}`,
    outcome,
    ...(lease.reason !== null && { reason: lease.reason }),
  });
}

/** Its user would take the request for done, and another machine would go on being made for it. */
export function retried({ id }: Lease, newest: Lease): ApiError {
  return new ApiError({
    status: 409,
    code: 'lease_retried',
    message: `The lease ${id} was lost, and the lease ${newest.id} (${newest.state}) takes its place.`,
    hint: `Complete ${newest.id} once its work is done, or cancel it where it is needed no more.`,
    outcome: 'lost',
  });
}

function whatFollows({ retriedBy }: Lease): string {
  return retriedBy === null ? 'Request another lease.' : `The lease ${retriedBy} takes its place.`;
}
