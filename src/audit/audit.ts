import type { HistoryRecord } from './history.ts';
import { deletionFollowsRelease } from './invariants/i1-deletion-follows-release.ts';
import { acknowledgedLeasesEnd } from './invariants/i10-acknowledged-leases-end.ts';
import { nothingIsAssumed } from './invariants/i11-nothing-is-assumed.ts';
import { refusedDeletionHoldsUpNone } from './invariants/i12-refused-deletion-holds-up-none.ts';
import { oneLeasePerMachine } from './invariants/i2-one-lease-per-machine.ts';
import { noLeaseUnderAnIntent } from './invariants/i3-no-lease-under-an-intent.ts';
import { resetAndProbedBetweenLeases } from './invariants/i4-reset-and-probed-between-leases.ts';
import { noDeadlineIsForgotten } from './invariants/i5-no-deadline-is-forgotten.ts';
import { owedStepsAreRung } from './invariants/i6-owed-steps-are-rung.ts';
import { cloudAndDatabaseAgree } from './invariants/i7-cloud-and-database-agree.ts';
import { surplusIsContained } from './invariants/i8-surplus-is-contained.ts';
import { oldTokensChangeNothing } from './invariants/i9-old-tokens-change-nothing.ts';
import { compareText } from './order.ts';
import { createTimeline } from './timeline.ts';
import { INVARIANTS, type Invariant, type InvariantId, type Violation } from './verdict.ts';

export interface AuditReport {
  /** How often each invariant was really held against something; 0 says that the history proves nothing about it. */
  checked: Record<InvariantId, number>;
  /** By invariant, then by time. */
  violations: Violation[];
}

/**
 * Holds a history against the twelve invariants. The order of the records does not matter. Throws HistoryError where
 * the history has no settings, no limit for a pool, or a record of an unknown type: no verdict would be honest then.
 */
export function audit(records: Iterable<HistoryRecord>): AuditReport {
  const timeline = createTimeline(records);
  const verdicts = INVARIANTS.map((id) => ({ id, ...JUDGES[id](timeline) }));
  return {
    checked: countEach((id) => verdicts.find((verdict) => verdict.id === id)?.checked ?? 0),
    violations: verdicts.flatMap(({ violations }) => violations.toSorted(byMoment)),
  };
}

/** How many violations of each invariant a report holds, zeros included. */
export function countViolations({
  violations,
}: Pick<AuditReport, 'violations'>): Record<InvariantId, number> {
  return countEach((id) => violations.filter(({ invariant }) => invariant === id).length);
}

const JUDGES: Record<InvariantId, Invariant> = {
  I1: deletionFollowsRelease,
  I2: oneLeasePerMachine,
  I3: noLeaseUnderAnIntent,
  I4: resetAndProbedBetweenLeases,
  I5: noDeadlineIsForgotten,
  I6: owedStepsAreRung,
  I7: cloudAndDatabaseAgree,
  I8: surplusIsContained,
  I9: oldTokensChangeNothing,
  I10: acknowledgedLeasesEnd,
  I11: nothingIsAssumed,
  I12: refusedDeletionHoldsUpNone,
};

function countEach(countOf: (id: InvariantId) => number): Record<InvariantId, number> {
  const counts = { I1: 0, I2: 0, I3: 0, I4: 0, I5: 0, I6: 0, I7: 0, I8: 0, I9: 0, I10: 0, I11: 0, I12: 0 };
  for (const id of INVARIANTS) counts[id] = countOf(id);
  return counts;
}

function byMoment(a: Violation, b: Violation): number {
  return a.at - b.at || compareText(a.subject, b.subject) || compareText(a.message, b.message);
}
