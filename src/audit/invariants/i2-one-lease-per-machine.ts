import { isLeaseHolding } from '../designed-lifecycle.ts';
import type { LeaseRecord } from '../history.ts';
import type { Hold, LeaseHold } from '../holds.ts';
import { byCommit } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I2: a machine has at most one active or ending lease and a lease at most one machine, at each moment of the commit
 * order.
 *
 * - The holds that the leases tell of one machine do not overlap.
 * - A lease names one machine, the same one, as long as it is active or ending.
 * - What leases and machines tell agrees: while a lease is active or ending, its machine is leased, stopping or
 *   stopped for it, and a leased machine is leased to such a lease.
 *
 * Checked: each hold, once as its lease tells it and once as its machine does.
 */
export function oneLeasePerMachine(timeline: Timeline): Verdict {
  const open = openVerdict('I2');
  for (const records of timeline.leases.values()) judgeNamedMachines(records, open);
  const byMachine = new Map<string, LeaseHold[]>();
  for (const hold of timeline.leaseHolds.values()) {
    open.count();
    if (hold.machine === null) continue;
    judgeMachineHolds(timeline, open, hold);
    const others = byMachine.get(hold.machine);
    if (others === undefined) byMachine.set(hold.machine, [hold]);
    else others.push(hold);
  }
  for (const holds of byMachine.values()) judgeOverlaps(holds, open);
  for (const holds of timeline.holds.values()) {
    for (const hold of holds) {
      open.count();
      judgeLeaseHolds(timeline, open, hold);
    }
  }
  return open.verdict;
}

function judgeNamedMachines(records: readonly LeaseRecord[], open: OpenVerdict): void {
  const holding = records.filter((record) => isLeaseHolding(record.to));
  const first = holding[0];
  const other = holding.find((record) => record.machine === null || record.machine !== first?.machine);
  if (first === undefined || other === undefined) return;
  const named = other.machine === null ? 'without a machine' : `on ${first.machine} and on ${other.machine}`;
  open.report({
    at: other.committedAt,
    subject: other.lease,
    message: `lease ${other.lease} is ${other.to} ${named}`,
    records: first === other ? [other] : [first, other],
  });
}

function judgeOverlaps(holds: readonly LeaseHold[], open: OpenVerdict): void {
  let longest: LeaseHold | undefined;
  for (const hold of holds.toSorted((a, b) => byCommit(a.begin, b.begin))) {
    if (longest !== undefined && (longest.end === null || byCommit(hold.begin, longest.end) < 0)) {
      open.report({
        at: hold.begin.committedAt,
        subject: `${hold.machine}`,
        message: `lease ${hold.lease} began on machine ${hold.machine} while lease ${longest.lease} still held it`,
        records: [longest.begin, hold.begin, ...(longest.end === null ? [] : [longest.end])],
      });
    }
    if (longest === undefined || endsLater(hold, longest)) longest = hold;
  }
}

function endsLater(hold: LeaseHold, than: LeaseHold): boolean {
  if (than.end === null) return false;
  return hold.end === null || byCommit(hold.end, than.end) > 0;
}

/** Both rows change in one transaction, hence at the same commit time. */
function judgeMachineHolds(timeline: Timeline, open: OpenVerdict, hold: LeaseHold): void {
  const told = timeline.holdOf(hold);
  const isCovered =
    told !== undefined &&
    told.leased.committedAt <= hold.begin.committedAt &&
    (hold.end?.committedAt ?? Infinity) <= (told.released?.committedAt ?? Infinity);
  if (isCovered) return;
  open.report({
    at: hold.begin.committedAt,
    subject: hold.lease,
    message: `lease ${hold.lease} holds machine ${hold.machine} at a time when the machine's row does not say so`,
    records: [hold.begin, hold.end, told?.leased, told?.released].filter(
      (record) => record !== null && record !== undefined,
    ),
  });
}

function judgeLeaseHolds(timeline: Timeline, open: OpenVerdict, hold: Hold): void {
  const told = hold.lease === null ? undefined : timeline.leaseHolds.get(hold.lease);
  if (told?.machine === hold.machine) return;
  open.report({
    at: hold.leased.committedAt,
    subject: hold.machine,
    message: `machine ${hold.machine} is leased to ${hold.lease ?? 'nobody'}, which ${describe(told)}`,
    records: told === undefined ? [hold.leased] : [hold.leased, told.begin],
  });
}

function describe(told: LeaseHold | undefined): string {
  return told === undefined ? 'was never active' : `is active on ${told.machine ?? 'no machine'}`;
}
