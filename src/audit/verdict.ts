import type { HistoryRecord } from './history.ts';
import type { Timeline } from './timeline.ts';

export const INVARIANTS = [
  'I1',
  'I2',
  'I3',
  'I4',
  'I5',
  'I6',
  'I7',
  'I8',
  'I9',
  'I10',
  'I11',
  'I12',
] as const;

export type InvariantId = (typeof INVARIANTS)[number];

/** Something in a history that an invariant forbids. */
export interface Violation {
  invariant: InvariantId;
  /** When it happened, in milliseconds since the epoch. */
  at: number;
  /** The machine, lease, instance, batch or pool that it happened to. */
  subject: string;
  message: string;
  /** The few records that show it. */
  records: HistoryRecord[];
}

export interface Verdict {
  /** Against how many events of the history the invariant was really held. */
  checked: number;
  violations: Violation[];
}

/** Judges one invariant; pure. */
export type Invariant = (timeline: Timeline) => Verdict;

export type Finding = Omit<Violation, 'invariant'>;

export interface OpenVerdict {
  /** Notes that the invariant was held against one more event. */
  count(): void;
  report(finding: Finding): void;
  readonly verdict: Verdict;
}

/** A verdict to be filled in while the history is walked. */
export function openVerdict(invariant: InvariantId): OpenVerdict {
  const verdict: Verdict = { checked: 0, violations: [] };
  return {
    count: () => void (verdict.checked += 1),
    report: (finding) => void verdict.violations.push({ invariant, ...finding }),
    verdict,
  };
}
