/** What the caller should do about a failure; every vendor's code is sorted into one of these. */
export type Remedy = 'retry' | 'retry-later' | 'retry-elsewhere' | 'give-up' | 'gone';

/** A short word that says what went wrong, stable across versions. */
export type FailureCode =
  | 'throttled'
  | 'capacity'
  | 'quota'
  | 'conflict'
  | 'unavailable'
  | 'unknown-reply'
  | 'not-found'
  | 'not-yet-visible'
  | 'wrong-state'
  | 'refused'
  | 'mismatch'
  | 'unauthorized'
  | 'invalid'
  | 'internal';

export interface FleetErrorDetails {
  code: FailureCode;
  remedy: Remedy;
  /** How long the other side asked us to wait, in milliseconds, where it did. */
  retryAfterMs?: number;
  /** True where the call may have been executed although no answer arrived: it must be replayed, never booked as failed. */
  maybeExecuted?: boolean;
  /** The vendor's own code, for people. */
  vendorCode?: string;
  cause?: unknown;
}

/** The one error type that crosses ports: `remedy` says what to do, `code` says why. */
export class FleetError extends Error {
  readonly code: FailureCode;
  readonly remedy: Remedy;
  readonly retryAfterMs: number | undefined;
  readonly maybeExecuted: boolean;
  readonly vendorCode: string | undefined;

  constructor(message: string, details: FleetErrorDetails) {
    super(message, { cause: details.cause });
    this.name = 'FleetError';
    this.code = details.code;
    this.remedy = details.remedy;
    this.retryAfterMs = details.retryAfterMs;
    this.maybeExecuted = details.maybeExecuted ?? false;
    this.vendorCode = details.vendorCode;
  }
}
