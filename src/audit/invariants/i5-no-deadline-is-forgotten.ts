import { isLeaseEnd, MACHINE_END } from '../designed-lifecycle.ts';
import type { LeaseRecord, MachineRecord } from '../history.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I5: no machine and no lease passes its deadline by more than one reconcile round without its named recovery, which
 * sets the next deadline.
 *
 * A deadline counts from the write that set it to the next write that sets another one or ends the row; a write that
 * leaves it in place does not help. One that had passed when its write committed counts from the commit: nobody could
 * see it before. That next write commits no later than the deadline plus one round; where there is
 * none, the history ends before. Every state but the final ones has a deadline.
 *
 * Checked: each deadline that was set on a machine or a lease.
 */
export function noDeadlineIsForgotten(timeline: Timeline): Verdict {
  const open = openVerdict('I5');
  for (const [machine, records] of timeline.machines) {
    judgeRow(timeline, open, { name: `machine ${machine}`, subject: machine, records });
  }
  for (const [lease, records] of timeline.leases) {
    judgeRow(timeline, open, { name: `lease ${lease}`, subject: lease, records });
  }
  return open.verdict;
}

type Write = MachineRecord | LeaseRecord;

interface Row {
  name: string;
  subject: string;
  records: readonly Write[];
}

function judgeRow(timeline: Timeline, open: OpenVerdict, row: Row): void {
  let setBy: Write | undefined;
  for (const record of row.records) {
    if (setBy !== undefined && !isFinal(record) && record.deadlineAt === setBy.deadlineAt) continue;
    if (setBy !== undefined) judgeDeadline(timeline, open, { row, setBy, next: record });
    setBy = isFinal(record) ? undefined : record;
  }
  if (setBy !== undefined) judgeDeadline(timeline, open, { row, setBy, next: undefined });
}

interface Deadline {
  row: Row;
  setBy: Write;
  next: Write | undefined;
}

function judgeDeadline(timeline: Timeline, open: OpenVerdict, { row, setBy, next }: Deadline): void {
  open.count();
  const records = next === undefined ? [setBy] : [setBy, next];
  if (setBy.deadlineAt === null) {
    const message = `${row.name} is ${setBy.to} without a deadline`;
    open.report({ at: setBy.committedAt, subject: row.subject, message, records });
    return;
  }
  const lateByMs = (next?.committedAt ?? timeline.endsAt) - Math.max(setBy.deadlineAt, setBy.committedAt);
  if (lateByMs <= timeline.reconcileRoundMs) return;
  open.report({
    at: setBy.deadlineAt,
    subject: row.subject,
    message: `${row.name} in ${setBy.to} went ${lateByMs} ms past its deadline with no recovery that set the next one`,
    records,
  });
}

function isFinal(record: Write): boolean {
  return record.type === 'machine' ? record.to === MACHINE_END : isLeaseEnd(record.to);
}
