import { FleetError } from '../../fleet/errors.ts';
import type { FailureCode, FleetErrorDetails, Remedy } from '../../fleet/errors.ts';

/** What was asked, in EC2's words, and whether it could have changed anything. */
export interface Asked {
  action: string;
  mutating: boolean;
}

const THROTTLED = [
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
];
const CAPACITY = [
  'InsufficientAddressCapacity',
  'InsufficientCapacity',
  'InsufficientFreeAddressesInSubnet',
  'InsufficientHostCapacity',
  'InsufficientInstanceCapacity',
  'InsufficientReservedInstanceCapacity',
  'InsufficientVolumeCapacity',
  'ReservationCapacityExceeded',
  'SpotMaxPriceTooLow',
  'UnfulfillableCapacity',
  'Unsupported',
];
const QUOTA = [
  'InstanceLimitExceeded',
  'MaxFleetCountExceeded',
  'MaxIOPSLimitExceeded',
  'MaxSpotInstanceCountExceeded',
  'NetworkInterfaceLimitExceeded',
  'TargetCapacityLimitExceededException',
  'VcpuLimitExceeded',
  'VolumeLimitExceeded',
];
/** Not evidence that something is gone: EC2 says the same of what it cannot see yet. */
const NOT_FOUND = [
  'InvalidInstanceID.Malformed',
  'InvalidInstanceID.NotFound',
  'InvalidNetworkInterfaceID.NotFound',
  'InvalidReplaceRootVolumeTaskID.NotFound',
  'InvalidReplaceRootVolumeTaskId.NotFound',
  'InvalidVolume.NotFound',
];
const WRONG_STATE = [
  'IncorrectInstanceState',
  'IncorrectState',
  'InvalidNetworkInterface.InUse',
  'InvalidState',
  'VolumeInUse',
];
/** Refusals of single instances: protected ones, one-time spot instances that were to be stopped. */
const REFUSED_INSTANCE = ['OperationNotPermitted', 'UnsupportedOperation'];
const MISMATCH = ['IdempotentParameterMismatch'];
const CONFLICT = ['IdempotentInstanceTerminated'];
const UNAUTHORIZED = [
  'AccessDenied',
  'AccessDeniedException',
  'AuthFailure',
  'Blocked',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'MissingAuthenticationToken',
  'OptInRequired',
  'PendingVerification',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'UnauthorizedOperation',
  'UnrecognizedClientException',
];
/** Server errors that leave open whether the call was executed. */
const UNAVAILABLE = [
  'InternalError',
  'InternalFailure',
  'RequestTimeout',
  'ServerInternal',
  'ServiceUnavailable',
  'Unavailable',
];

interface Reaction {
  code: FailureCode;
  remedy: Remedy;
  /** The call may have been executed, if it was one that changes something. */
  open?: boolean;
}

const REACTIONS: ReadonlyMap<string, Reaction> = new Map([
  ...each(THROTTLED, { code: 'throttled', remedy: 'retry-later' }),
  ...each(CAPACITY, { code: 'capacity', remedy: 'retry-elsewhere' }),
  ...each(QUOTA, { code: 'quota', remedy: 'retry-elsewhere' }),
  ...each(NOT_FOUND, { code: 'not-found', remedy: 'retry' }),
  ...each(WRONG_STATE, { code: 'wrong-state', remedy: 'retry' }),
  ...each(REFUSED_INSTANCE, { code: 'refused', remedy: 'give-up' }),
  ...each(MISMATCH, { code: 'mismatch', remedy: 'give-up' }),
  ...each(CONFLICT, { code: 'conflict', remedy: 'give-up' }),
  ...each(UNAUTHORIZED, { code: 'unauthorized', remedy: 'give-up' }),
  ...each(UNAVAILABLE, { code: 'unavailable', remedy: 'retry', open: true }),
]);

/** Connections that were never made: what they were to carry cannot have been executed. */
const NEVER_CONNECTED = new Set(['EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND']);

const ABOUT_INSTANCES = new Set([...NOT_FOUND, ...WRONG_STATE, ...REFUSED_INSTANCE]);

/** Anything that the SDK threw, as a FleetError; a FleetError stays itself. */
export function toFleetError(error: unknown, asked: Asked): FleetError {
  if (error instanceof FleetError) return error;
  const facts = readFacts(error);
  if (facts.status === undefined) return unanswered(error, facts, asked);
  return answered(error, { ...facts, status: facts.status }, asked);
}

/** An answer that arrived but cannot be what EC2 says: HTML, half a document, a field that is missing. */
export function unreadable(asked: Asked, what: string, cause?: unknown): FleetError {
  return new FleetError(
    `EC2's answer to ${asked.action} cannot be read: ${what}. Check what answers at the endpoint.`,
    {
      code: 'unknown-reply',
      remedy: 'retry',
      maybeExecuted: asked.mutating,
      cause,
    },
  );
}

/** True for a refusal that names what is wrong with single instances of a call, so that the others may be sent again. */
export function isAboutInstances(error: FleetError): boolean {
  return error.vendorCode !== undefined && ABOUT_INSTANCES.has(error.vendorCode);
}

/** The same error for a call of which a part was executed before: it must be replayed, whatever went wrong after. */
export function afterPartWasExecuted(error: FleetError): FleetError {
  const details: FleetErrorDetails = {
    code: error.code,
    remedy: error.remedy,
    maybeExecuted: true,
    cause: error,
  };
  if (error.retryAfterMs !== undefined) details.retryAfterMs = error.retryAfterMs;
  if (error.vendorCode !== undefined) details.vendorCode = error.vendorCode;
  return new FleetError(error.message, details);
}

interface Facts {
  name: string;
  message: string;
  /** The vendor's code, where a vendor's error was read. */
  vendorCode: string | undefined;
  /** HTTP status; undefined where no answer arrived. */
  status: number | undefined;
  /** The operating system's word for what became of the connection. */
  systemCode: string | undefined;
  /** True once the SDK had begun to send. */
  sent: boolean;
  retryAfterMs: number | undefined;
}

function readFacts(error: unknown): Facts {
  const fields = fieldsOf(error);
  const metadata = fieldsOf(fields['$metadata']);
  const code = textOf(fields['Code']);
  return {
    name: textOf(fields['name']) ?? 'Error',
    message: textOf(fields['message']) ?? String(error),
    vendorCode: code === 'Unknown' ? undefined : code,
    status: typeof metadata['httpStatusCode'] === 'number' ? metadata['httpStatusCode'] : undefined,
    systemCode: textOf(fields['code']),
    sent: fields['$metadata'] !== undefined,
    retryAfterMs: readRetryAfterMs(fields['$response']),
  };
}

/** Retry-After in whole seconds; EC2 itself does not send it, gateways before it may. */
function readRetryAfterMs(response: unknown): number | undefined {
  const seconds = Number(fieldsOf(fieldsOf(response)['headers'])['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

function unanswered(error: unknown, facts: Facts, asked: Asked): FleetError {
  if (facts.name === 'CredentialsProviderError') {
    return new FleetError(`No AWS credentials for ${asked.action}: ${facts.message}`, {
      code: 'unauthorized',
      remedy: 'retry-later',
      cause: error,
    });
  }
  if (!facts.sent && facts.name !== 'AbortError') {
    return new FleetError(`${asked.action} could not be sent: ${facts.message}`, {
      code: 'internal',
      remedy: 'give-up',
      cause: error,
    });
  }
  const neverConnected = facts.systemCode !== undefined && NEVER_CONNECTED.has(facts.systemCode);
  return new FleetError(`No answer from EC2 to ${asked.action}: ${facts.message}`, {
    code: neverConnected ? 'unavailable' : 'unknown-reply',
    remedy: 'retry',
    maybeExecuted: asked.mutating && !neverConnected,
    cause: error,
  });
}

function answered(error: unknown, facts: Facts & { status: number }, asked: Asked): FleetError {
  if (facts.vendorCode === undefined && facts.status !== 429) {
    return unreadable(asked, `HTTP ${facts.status}, ${facts.message.split('\n', 1)[0] ?? ''}`, error);
  }
  const { code, remedy, open } = reactionTo(facts);
  const details: FleetErrorDetails = {
    code,
    remedy,
    maybeExecuted: open === true && asked.mutating,
    cause: error,
  };
  if (facts.retryAfterMs !== undefined) details.retryAfterMs = facts.retryAfterMs;
  if (facts.vendorCode !== undefined) details.vendorCode = facts.vendorCode;
  const advice = ADVICE[code];
  return new FleetError(
    `EC2 refused ${asked.action}: ${facts.message} (${facts.vendorCode ?? facts.status})${advice === undefined ? '' : `. ${advice}`}`,
    details,
  );
}

function reactionTo(facts: Facts & { status: number }): Reaction {
  const known = REACTIONS.get(facts.vendorCode ?? '');
  if (known !== undefined) return known;
  if (facts.status === 429) return { code: 'throttled', remedy: 'retry-later' };
  if (facts.status >= 500) return { code: 'unavailable', remedy: 'retry', open: true };
  if (/^(Invalid|Missing|Malformed|Unknown)/.test(facts.vendorCode ?? ''))
    return { code: 'invalid', remedy: 'give-up' };
  return { code: 'refused', remedy: 'give-up' };
}

const ADVICE: Partial<Record<FailureCode, string>> = {
  quota: 'Ask AWS for a higher limit, or lower the pool’s maximum',
  unauthorized: 'Check the credentials and the policy of this account',
  invalid: 'Check the placement',
  mismatch: 'The placement was changed after this batch was closed: the batch cannot be sent again',
};

function each(codes: readonly string[], reaction: Reaction): [string, Reaction][] {
  return codes.map((code) => [code, reaction]);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
