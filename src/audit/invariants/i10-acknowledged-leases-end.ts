import { isLeaseEnd, mayLeaseMove } from '../designed-lifecycle.ts';
import type { AckRecord, EndRecord, LeaseRecord } from '../history.ts';
import { wholeMs } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I10: an acknowledged lease request ends active or in a named final state that its client can read.
 *
 * - An acknowledged lease is on record, and each state that its client was told had committed when it was told.
 * - In the last end record, where the acknowledgement came before it, the lease is active, completed, failed,
 *   cancelled, expired or lost, readable, and the same as its last row says.
 * - Leases move as their lifecycle has it (a final state stays), and an ending lease names its outcome.
 *
 * Checked: each acknowledged lease.
 */
export function acknowledgedLeasesEnd(timeline: Timeline): Verdict {
  const open = openVerdict('I10');
  const end = timeline.ends.at(-1);
  const atEnd = new Map(end?.leases.map((each) => [each.lease, each]));
  const seen = new Set<string>();
  for (const ack of timeline.acks) {
    judgeTold(timeline, open, ack);
    if (seen.has(ack.lease)) continue;
    seen.add(ack.lease);
    open.count();
    if (end === undefined || ack.at > end.at) continue;
    judgeEnd(timeline, open, { ack, end, found: atEnd.get(ack.lease) });
  }
  for (const records of timeline.leases.values()) judgeMoves(records, open);
  return open.verdict;
}

function judgeTold(timeline: Timeline, open: OpenVerdict, ack: AckRecord): void {
  const records = timeline.leases.get(ack.lease);
  const told = records?.find((record) => record.to === ack.state);
  if (told !== undefined && wholeMs(told.committedAt) <= wholeMs(ack.at)) return;
  const why =
    records === undefined ? 'is not on record' : `was told to be ${ack.state} before that had committed`;
  open.report({
    at: ack.at,
    subject: ack.lease,
    message: `acknowledged lease ${ack.lease} ${why}`,
    records: told === undefined ? [ack] : [ack, told],
  });
}

interface LeaseAtEnd {
  ack: AckRecord;
  end: EndRecord;
  found: EndRecord['leases'][number] | undefined;
}

function judgeEnd(timeline: Timeline, open: OpenVerdict, { ack, end, found }: LeaseAtEnd): void {
  const last = timeline.leases.get(ack.lease)?.findLast((record) => record.committedAt <= end.at);
  const wrong = wrongEnd(found, last);
  if (wrong === undefined) return;
  open.report({
    at: end.at,
    subject: ack.lease,
    message: `acknowledged lease ${ack.lease} ${wrong}`,
    records: last === undefined ? [ack, end] : [ack, last, end],
  });
}

function wrongEnd(found: LeaseAtEnd['found'], last: LeaseRecord | undefined): string | undefined {
  if (found === undefined) return 'is missing after quiet';
  if (found.state !== 'active' && !isLeaseEnd(found.state)) return `is still ${found.state} after quiet`;
  if (!found.readable) return `is ${found.state} after quiet, but its client cannot read it`;
  if (last !== undefined && last.to !== found.state)
    return `reads ${found.state} after quiet, its row says ${last.to}`;
  return undefined;
}

function judgeMoves(records: readonly LeaseRecord[], open: OpenVerdict): void {
  let previous: LeaseRecord | undefined;
  for (const record of records) {
    const message = wrongMove(record, previous);
    if (message !== undefined) {
      open.report({
        at: record.committedAt,
        subject: record.lease,
        message: `lease ${record.lease}: ${message}`,
        records: previous === undefined ? [record] : [previous, record],
      });
    }
    previous = record;
  }
}

function wrongMove(record: LeaseRecord, previous: LeaseRecord | undefined): string | undefined {
  const before = previous?.to ?? null;
  if (record.from !== before) {
    return `the write goes on from ${record.from ?? 'nothing'}, but the row was ${before ?? 'not there'}`;
  }
  if (record.from !== record.to && !mayLeaseMove(record.from, record.to)) {
    return `a lease has no move from ${record.from ?? 'nothing'} to ${record.to}`;
  }
  return record.to === 'ending' ? wrongOutcome(record) : undefined;
}

function wrongOutcome({ outcome }: LeaseRecord): string | undefined {
  const isNamed = outcome !== null && isLeaseEnd(outcome);
  return isNamed ? undefined : 'it is ending without a named outcome';
}
