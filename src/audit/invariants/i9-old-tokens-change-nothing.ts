import { CLAIMED_STATES } from '../designed-lifecycle.ts';
import type { BatchRecord, MachineRecord } from '../history.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I9: a write under an old fencing token changes nothing.
 *
 * - A stale write changed no rows (and carried indeed a token older than the current one).
 * - The token of a machine or of a batch never goes down, and each claim raises a machine's: entering leased,
 *   stopping, resetting or deleting under the token of the write before would let an older holder's write through.
 *
 * A takeover that stays in its state is seen only by its raised token; one that fails to raise it cannot be told from
 * another write of the same holder.
 *
 * Checked: each stale write, and each claim.
 */
export function oldTokensChangeNothing(timeline: Timeline): Verdict {
  const open = openVerdict('I9');
  judgeStaleWrites(timeline, open);
  for (const records of timeline.machines.values()) judgePairs(records, machineSlip, open);
  for (const records of timeline.batches.values()) judgePairs(records, batchSlip, open);
  return open.verdict;
}

function judgeStaleWrites(timeline: Timeline, open: OpenVerdict): void {
  for (const write of timeline.staleWrites) {
    open.count();
    const { machine, token, currentToken, changedRows } = write;
    if (token < currentToken && changedRows === 0) continue;
    const message =
      token < currentToken
        ? `a write on ${machine} under the old token ${token} (now ${currentToken}) changed ${changedRows} rows`
        : `a write on ${machine} is noted as stale although its token ${token} is not older than ${currentToken}`;
    open.report({ at: write.at, subject: machine, message, records: [write] });
  }
}

type Write = MachineRecord | BatchRecord;

function judgePairs<T extends Write>(
  records: readonly T[],
  slipOf: (record: T, before: T) => string | undefined,
  open: OpenVerdict,
): void {
  let before: T | undefined;
  for (const record of records) {
    if (before !== undefined && isClaim(record, before)) open.count();
    const message = before === undefined ? undefined : slipOf(record, before);
    if (message !== undefined && before !== undefined) {
      const subject = record.type === 'machine' ? record.machine : record.batch;
      open.report({ at: record.committedAt, subject, message, records: [before, record] });
    }
    before = record;
  }
}

function isClaim(record: Write, before: Write): boolean {
  if (record.type !== 'machine' || before.type !== 'machine') return false;
  return record.to !== before.to && CLAIMED_STATES.has(record.to);
}

function machineSlip(record: MachineRecord, before: MachineRecord): string | undefined {
  const name = `machine ${record.machine}`;
  if (record.token < before.token)
    return `${name}: its token went down from ${before.token} to ${record.token}`;
  if (!isClaim(record, before) || record.token > before.token) return undefined;
  return `${name}: ${record.to} was claimed without raising the token ${before.token}`;
}

function batchSlip(record: BatchRecord, before: BatchRecord): string | undefined {
  if (record.token >= before.token) return undefined;
  return `batch ${record.batch}: its token went down from ${before.token} to ${record.token}`;
}
