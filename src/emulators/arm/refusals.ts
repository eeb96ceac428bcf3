import { ArmError } from './arm-error.ts';

/** The vendor's answer for an injected refusal with this code: its status and a message that reads like its own. */
export function refusalFor(code: string): ArmError {
  const known = REFUSALS[code];
  return new ArmError(known?.status ?? 409, code, {
    message: known?.message ?? `The request was refused: ${code}.`,
  });
}

/** The message with which an operation fails that way. */
export function failureMessage(code: string): string {
  return REFUSALS[code]?.message ?? `The operation failed: ${code}.`;
}

const ALLOCATION = 'Allocation failed. We do not have sufficient capacity for the requested VM size in this';

const REFUSALS: Readonly<Record<string, { status: number; message: string }>> = {
  AllocationFailed: { status: 409, message: `${ALLOCATION} region.` },
  ZonalAllocationFailed: { status: 409, message: `${ALLOCATION} zone.` },
  OverconstrainedAllocationRequest: {
    status: 409,
    message: 'Allocation failed. VM(s) with the given constraints cannot be allocated.',
  },
  SkuNotAvailable: {
    status: 409,
    message: 'The requested VM size is currently not available in this location.',
  },
  OperationNotAllowed: {
    status: 409,
    message:
      'Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - Current Limit: 0, Current Usage: 0, Additional Required: 2.',
  },
  QuotaExceeded: { status: 409, message: 'The operation would exceed the approved quota.' },
  Conflict: { status: 409, message: 'The request failed due to conflict with a concurrent request.' },
  OperationPreempted: { status: 409, message: 'The operation was preempted by a more recent operation.' },
  OSProvisioningTimedOut: {
    status: 409,
    message: 'OS Provisioning for VM did not finish in the allotted time.',
  },
  VMStartTimedOut: { status: 409, message: 'VM did not start in the allotted time.' },
  PreconditionFailed: { status: 412, message: 'The condition in the If-Match header was not met.' },
  InvalidParameter: { status: 400, message: 'The value of a parameter is invalid.' },
  BadRequest: {
    status: 400,
    message:
      'The creation of the VM with ephemeral disk is not complete. Please trigger a restart if required.',
  },
  AuthorizationFailed: {
    status: 403,
    message: 'The client does not have authorization to perform this action.',
  },
  ResourceNotFound: { status: 404, message: 'The Resource was not found.' },
  RetryableErrorDueToAnotherOperation: {
    status: 429,
    message: 'Another operation on this or dependent resource is in progress.',
  },
  InternalServerError: { status: 500, message: 'An internal execution error occurred. Please retry later.' },
  ServiceUnavailable: { status: 503, message: 'The service is unavailable. Please retry later.' },
};
