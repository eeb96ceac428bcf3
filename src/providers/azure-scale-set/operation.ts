import { Type, type Static } from 'typebox';
import type { FleetError } from '../../fleet/errors.ts';
import { fromVendor } from './failures.ts';
import { errorOf, field, retryAfterMs } from './reply.ts';
import type { Reply } from './reply.ts';

/** What an operation's URL says of it. */
export interface OperationReport {
  /** Undefined while it runs. */
  end: { as: 'succeeded' | 'failed'; code: string; message: string } | undefined;
  retryAfterMs: number | undefined;
}

/** How an operation ended, as handles keep it. `unknown`: nobody can say any more. */
export const operationEndSchema = Type.Object({
  as: Type.Union([Type.Literal('succeeded'), Type.Literal('failed'), Type.Literal('unknown')]),
  atMs: Type.Number(),
  code: Type.String(),
  message: Type.String(),
});
export type OperationEnd = Static<typeof operationEndSchema>;

/** Past this age an operation is no longer asked for: its outcome counts as unknown. */
export const LONGEST_OPERATION_MS = 2 * 3_600_000;

/**
 * Reads an answer of an Azure-AsyncOperation URL (a body with `status`) or of a Location (202 while it runs).
 * Undefined where the operation is unknown or has expired; throws FleetError where the question itself failed.
 */
export function toOperationReport(reply: Reply, nowMs: number): OperationReport | undefined {
  if (reply.status === 404 || reply.status === 410) return undefined;
  const waitMs = retryAfterMs(reply, nowMs);
  const failure = errorOf(reply.body);
  if (reply.status >= 400) {
    const told = failure ?? { code: `HTTP ${reply.status}`, message: 'Azure gave no reason.' };
    // A Location answers a failed operation with that operation's own error; these are about the question.
    if (![400, 409, 412].includes(reply.status)) throw notAnswered(reply.status, told, waitMs);
    return { end: { as: 'failed', ...told }, retryAfterMs: waitMs };
  }
  return { end: endOf(statusOf(reply), failure), retryAfterMs: waitMs };
}

/** The FleetError for an operation that did not succeed. */
export function operationFailure(end: OperationEnd, action: string): FleetError {
  return fromVendor({ code: end.code, message: end.message }, { action, mutating: false });
}

export function isPreempted(end: OperationEnd): boolean {
  return end.as === 'failed' && (end.code === 'OperationPreempted' || end.code === 'Conflict');
}

function statusOf(reply: Reply): string {
  const status = field(reply.body, 'status');
  if (typeof status === 'string') return status.toLowerCase();
  return reply.status === 202 ? 'inprogress' : 'succeeded';
}

function endOf(status: string, failure: ReturnType<typeof errorOf>): OperationReport['end'] {
  if (status === 'succeeded') return { as: 'succeeded', code: '', message: '' };
  if (status === 'failed' || status === 'canceled' || status === 'cancelled') {
    return { as: 'failed', ...(failure ?? { code: status, message: `The operation ended as ${status}.` }) };
  }
  return undefined;
}

function notAnswered(
  status: number,
  told: { code: string; message: string },
  waitMs: number | undefined,
): FleetError {
  const attempt = { action: 'read the state of an operation', mutating: false };
  return fromVendor(
    { ...told, status },
    { ...attempt, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) },
  );
}
