import { FleetError } from '../../fleet/errors.ts';
import type { FailureCode, Remedy } from '../../fleet/errors.ts';

/** A refusal or failure as Azure words it, whether it came with a status or inside an operation. */
export interface VendorFailure {
  /** HTTP status; undefined where it stood in a finished operation. */
  status?: number;
  code: string;
  message: string;
}

/** What a call was for; a mutating one that got no answer may have been executed. */
export interface Attempt {
  action: string;
  mutating: boolean;
  retryAfterMs?: number;
}

interface Sorted {
  code: FailureCode;
  remedy: Remedy;
}

const CAPACITY = new Set([
  'AllocationFailed',
  'ZonalAllocationFailed',
  'OverconstrainedAllocationRequest',
  'OverconstrainedZonalAllocationRequest',
  'SkuNotAvailable',
]);
const QUOTA = new Set(['QuotaExceeded']);
/** The machine exists and is no good. */
const PROVISIONING = new Set([
  'OSProvisioningTimedOut',
  'VMStartTimedOut',
  'OSProvisioningClientError',
  'OSProvisioningInternalError',
]);
const CONFLICT = new Set([
  'OperationPreempted',
  'Conflict',
  'PreconditionFailed',
  'RetryableErrorDueToAnotherOperation',
]);
const STALE = new Set(['PreconditionFailed', 'ConditionNotMet', 'HTTP 412']);
const NOT_ACTIVE = new Set(['InstanceIdsListInstanceIdNotActiveVM']);
const UNAUTHORIZED = new Set([
  'AuthorizationFailed',
  'AuthenticationFailed',
  'InvalidAuthenticationToken',
  'ExpiredAuthenticationToken',
  'LinkedAuthorizationFailed',
]);
const MISSING = new Set([
  'ResourceNotFound',
  'ResourceGroupNotFound',
  'ParentResourceNotFound',
  'SubscriptionNotFound',
  'NotFound',
]);
/** Failures before anything was sent: the other side cannot have done anything. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const NO_TOKEN = new Set([
  'AuthenticationError',
  'AuthenticationRequiredError',
  'AggregateAuthenticationError',
  'CredentialUnavailableError',
]);

const NOT_ACTIVE_TEXT = /instanceId\s+(\S+)\s+is not an active Virtual Machine Scale Set VM instanceId/gi;
const STATE_TEXT = /marked for deletion|being deleted|ephemeral disk is not complete|trigger a restart/i;
const NETWORK_TEXT =
  /network_error|endpoints_resolution_error|ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|timed out/i;

/** The FleetError for what Azure said: an answer came, so nothing is left open except after a server's error. */
export function fromVendor(failure: VendorFailure, attempt: Attempt): FleetError {
  const isServers = failure.status === 408 || (failure.status ?? 0) >= 500;
  if (isServers) return unanswered(`${failure.code}: ${failure.message}`, attempt, failure.code);
  const { code, remedy } = sort(failure);
  return new FleetError(`Azure refused to ${attempt.action} (${failure.code}): ${advice(failure, code)}`, {
    code,
    remedy,
    vendorCode: failure.code,
    ...(attempt.retryAfterMs === undefined ? {} : { retryAfterMs: attempt.retryAfterMs }),
  });
}

/** The FleetError for whatever was thrown without an answer of Azure. */
export function fromThrown(error: unknown, attempt: Attempt): FleetError {
  if (error instanceof FleetError) return error;
  const { name, code, message } = thrownParts(error);
  const options = { vendorCode: code ?? name, cause: error };
  if (NO_TOKEN.has(name)) return withoutToken(message, attempt, options);
  if (code !== undefined && NEVER_SENT.has(code)) {
    return new FleetError(`Azure could not be reached to ${attempt.action}: ${message}`, {
      code: 'unavailable',
      remedy: 'retry',
      ...options,
    });
  }
  return unanswered(message, attempt, code ?? name, error);
}

/** True for a refusal because of one or a few instances, after which the others may be sent without them. */
export function isAboutInstances(error: unknown): error is FleetError {
  return (
    error instanceof FleetError &&
    !error.maybeExecuted &&
    (error.code === 'wrong-state' || error.remedy === 'gone')
  );
}

/** True where the set changed between our read and our write, so that the write was refused for its ETag. */
export function isStale(error: unknown): error is FleetError {
  return error instanceof FleetError && STALE.has(error.vendorCode ?? '');
}

/** The instance numbers that a refusal names as not existing. */
export function notActiveNumbers(message: string): string[] {
  return [...message.matchAll(NOT_ACTIVE_TEXT)].flatMap((match) => (match[1] ?? '').replaceAll(/['"]/g, ''));
}

function sort(failure: VendorFailure): Sorted {
  // The network provider answers 429 for a lock, too.
  const isLock = CONFLICT.has(failure.code);
  if (failure.status === 429 && !isLock) return { code: 'throttled', remedy: 'retry-later' };
  return sortCode(failure) ?? sortStatus(failure.status);
}

function sortCode({ status, code, message }: VendorFailure): Sorted | undefined {
  if (NOT_ACTIVE.has(code) || notActiveNumbers(message).length > 0)
    return { code: 'not-found', remedy: 'gone' };
  if (STATE_TEXT.test(message)) return { code: 'wrong-state', remedy: 'retry-later' };
  // One code for three things: 429 is the rate, the text about a quota is the quota, all else is the state.
  if (code === 'OperationNotAllowed') {
    return /quota/i.test(message)
      ? { code: 'quota', remedy: 'retry-elsewhere' }
      : { code: 'wrong-state', remedy: 'retry-later' };
  }
  const known = NAMED.find(({ codes }) => codes.has(code))?.sorted;
  return known ?? (status === 412 ? { code: 'conflict', remedy: 'retry' } : undefined);
}

const NAMED: readonly { codes: ReadonlySet<string>; sorted: Sorted }[] = [
  { codes: CAPACITY, sorted: { code: 'capacity', remedy: 'retry-elsewhere' } },
  { codes: QUOTA, sorted: { code: 'quota', remedy: 'retry-elsewhere' } },
  { codes: PROVISIONING, sorted: { code: 'unavailable', remedy: 'retry' } },
  { codes: CONFLICT, sorted: { code: 'conflict', remedy: 'retry' } },
  { codes: UNAUTHORIZED, sorted: { code: 'unauthorized', remedy: 'give-up' } },
  { codes: MISSING, sorted: { code: 'not-found', remedy: 'give-up' } },
];

function sortStatus(status: number | undefined): Sorted {
  switch (status) {
    case undefined:
      return { code: 'unavailable', remedy: 'retry-later' };
    case 400:
      return { code: 'invalid', remedy: 'give-up' };
    case 401:
      return { code: 'unauthorized', remedy: 'give-up' };
    case 404:
      return { code: 'not-found', remedy: 'give-up' };
    case 409:
      return { code: 'conflict', remedy: 'retry' };
    default:
      return { code: 'refused', remedy: 'give-up' };
  }
}

function advice(failure: VendorFailure, code: FailureCode): string {
  if (code === 'not-found' && MISSING.has(failure.code)) {
    return `${failure.message} Create the scale set (uniform, overprovision false) or correct the placement's subscriptionId, resourceGroup and scaleSet.`;
  }
  if (code === 'unauthorized') {
    return `${failure.message} Give drover's identity the role Virtual Machine Contributor on the resource group, and Reader on the subscription.`;
  }
  return failure.message;
}

function withoutToken(
  message: string,
  attempt: Attempt,
  options: { vendorCode: string; cause: unknown },
): FleetError {
  // The token is fetched before the call is sent, so the call itself was not.
  if (NETWORK_TEXT.test(message)) {
    return new FleetError(`No token could be fetched to ${attempt.action}: ${message}`, {
      code: 'unavailable',
      remedy: 'retry',
      ...options,
    });
  }
  return new FleetError(
    `Azure gave no token to ${attempt.action}: ${message} Check the credentials of drover's identity.`,
    { code: 'unauthorized', remedy: 'give-up', ...options },
  );
}

function unanswered(
  message: string,
  attempt: Attempt,
  ...[vendorCode, cause]: [string, unknown?]
): FleetError {
  return new FleetError(`No usable answer to the call to ${attempt.action}: ${message}`, {
    code: attempt.mutating ? 'unknown-reply' : 'unavailable',
    remedy: 'retry',
    maybeExecuted: attempt.mutating,
    vendorCode,
    cause,
    ...(attempt.retryAfterMs === undefined ? {} : { retryAfterMs: attempt.retryAfterMs }),
  });
}

function thrownParts(error: unknown): { name: string; code: string | undefined; message: string } {
  if (!(error instanceof Error)) return { name: 'unknown', code: undefined, message: String(error) };
  const code: unknown = 'code' in error ? error.code : undefined;
  return { name: error.name, code: typeof code === 'string' ? code : undefined, message: error.message };
}
