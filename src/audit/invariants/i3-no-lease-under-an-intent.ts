import { BARRING_INTENTS } from '../designed-lifecycle.ts';
import type { HistoryRecord, MachineRecord } from '../history.ts';
import type { LeaseHold } from '../holds.ts';
import { firstFrom } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I3: no lease begins on a machine with an open recycle, park, quarantine or retire intent.
 *
 * Neither the row that says leased nor the row before it shows such an intent: a match that closed the intent in its
 * own write would have begun under it. A lease that became active without any such row of its machine is held against
 * the machine's row as it stood at that commit.
 *
 * Checked: each beginning of a lease on a machine.
 */
export function noLeaseUnderAnIntent(timeline: Timeline): Verdict {
  const open = openVerdict('I3');
  for (const [machine, holds] of timeline.holds) {
    const records = timeline.machines.get(machine) ?? [];
    for (const hold of holds) {
      open.count();
      const rows = [records[hold.leasedIndex - 1], hold.leased].filter((row) => row !== undefined);
      report(open, { rows, lease: hold.lease, shown: [] });
    }
  }
  for (const hold of timeline.leaseHolds.values()) judgeUntoldBegin(timeline, open, hold);
  return open.verdict;
}

function judgeUntoldBegin(timeline: Timeline, open: OpenVerdict, hold: LeaseHold): void {
  if (hold.machine === null) return;
  const records = timeline.machines.get(hold.machine);
  if (records === undefined || timeline.holdOf(hold) !== undefined) return;
  open.count();
  const after = firstFrom(records, hold.begin.committedAt, (record) => record.committedAt);
  const before = records[after - 1];
  const sameCommit = records.slice(after).filter((row) => row.committedAt === hold.begin.committedAt);
  const rows = before === undefined ? sameCommit : [before, ...sameCommit];
  report(open, { rows, lease: hold.lease, shown: [hold.begin] });
}

interface Beginning {
  rows: readonly MachineRecord[];
  lease: string | null;
  shown: readonly HistoryRecord[];
}

function report(open: OpenVerdict, { rows, lease, shown }: Beginning): void {
  const barring = rows.find((row) => row.intentKind !== null && BARRING_INTENTS.has(row.intentKind));
  const last = rows.at(-1);
  if (barring === undefined || last === undefined) return;
  open.report({
    at: last.committedAt,
    subject: barring.machine,
    message: `lease ${lease} began on machine ${barring.machine} under its open ${barring.intentKind} ${barring.intent}`,
    records: [...rows, ...shown],
  });
}
