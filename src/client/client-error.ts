/** Any answer but the one asked for. */
export class ClientError extends Error {
  /** The fleet's own word (`lease_ended`, `no_such_lease`, ...), or `network`, `deadline`, `aborted`, `protocol`. */
  readonly code: string;
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** What to do about it, where the fleet said so. */
  readonly hint: string | undefined;
  /** How the lease ended, where that is why. */
  readonly outcome: string | undefined;

  constructor(message: string, details: ClientErrorDetails) {
    super(message, { cause: details.cause });
    this.name = 'ClientError';
    this.code = details.code;
    this.status = details.status;
    this.hint = details.hint;
    this.outcome = details.outcome;
  }
}

export interface ClientErrorDetails {
  code: string;
  status: number;
  hint?: string | undefined;
  outcome?: string | undefined;
  cause?: unknown;
}
