import { isHarsher, mayClose, mayMachineMove } from './designed-lifecycle.ts';
import type { MachineRecord } from './history.ts';
import type { Timeline } from './timeline.ts';
import type { Finding } from './verdict.ts';

/**
 * What the order of release and deletion rests on: every write of a machine's row continues from the one before it,
 * makes a move that the lifecycle has, and treats its open intent lawfully (replaced only by a harsher one, closed
 * only where its end is reached). What breaks this is reported under I1 and not counted in its `checked`.
 */
export function findUnlawfulMoves(timeline: Timeline): Finding[] {
  const findings: Finding[] = [];
  for (const records of timeline.machines.values()) {
    let previous: MachineRecord | undefined;
    for (const record of records) {
      const message = wrongMove(record, previous) ?? wrongIntent(record, previous);
      if (message !== undefined) findings.push(toFinding(message, record, previous));
      previous = record;
    }
  }
  return findings;
}

function wrongMove(record: MachineRecord, previous: MachineRecord | undefined): string | undefined {
  const before = previous?.to ?? null;
  if (record.from !== before) {
    return `the write goes on from ${record.from ?? 'nothing'}, but the row was ${before ?? 'not there'}`;
  }
  const staysPut = record.from === record.to;
  if (staysPut || mayMachineMove(record.from, record.to)) return undefined;
  return `the lifecycle has no move from ${record.from ?? 'nothing'} to ${record.to}`;
}

function wrongIntent(record: MachineRecord, previous: MachineRecord | undefined): string | undefined {
  if (previous === undefined || previous.intent === null) return undefined;
  const open = previous.intentKind ?? 'an intent without a kind';
  if (record.intent === null) {
    return mayClose(open, record.to)
      ? undefined
      : `its ${open} was closed in ${record.to}, where it is not done`;
  }
  if (record.intent === previous.intent && record.intentKind === previous.intentKind) return undefined;
  const kind = record.intentKind ?? 'an intent without a kind';
  return isHarsher(kind, open) ? undefined : `its open ${open} was replaced by ${kind}, which is not harsher`;
}

function toFinding(message: string, record: MachineRecord, previous: MachineRecord | undefined): Finding {
  return {
    at: record.committedAt,
    subject: record.machine,
    message: `machine ${record.machine}: ${message}`,
    records: previous === undefined ? [record] : [previous, record],
  };
}
