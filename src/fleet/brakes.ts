/** What a sweep has found at its placement, before it does anything about it. */
export interface SweepCounts {
  /** Living machines of the whole pool. */
  machines: number;
  /** Instances that nobody owns, to be condemned now. */
  condemns: number;
  /** Left-over disks, network cards and addresses, to be condemned now. */
  leftOvers: number;
  /** Machines whose instance counts as gone, to be ended now. */
  ends: number;
  /** Machines whose instance was known to the last sweep and is not listed, to be ended now or later; nobody had them deleted. */
  vanished: number;
}

export interface Halt {
  since: Date;
  /** For people. */
  why: string;
  counts: SweepCounts;
}

/** An operator's word that up to `count` instances and machines are rightly ended, until `until`. */
export interface Confirmation {
  count: number;
  until: Date;
  by: string;
}

/** What the store keeps of a placement's sweeps. */
export interface SweepRecord {
  /** When the listing of the last sweep began; of one that only reported, when it did. */
  listedAt: Date;
  /** Null unless the last sweep halted. */
  halt: Halt | null;
  confirmed: Confirmation | null;
}

export interface SweepFinding {
  counts: SweepCounts;
  /** Undefined where the store knows of no sweep of this placement. */
  last: SweepRecord | undefined;
  listedAt: Date;
  now: Date;
  /** A last sweep older than this tells nothing: the store may be a restored one. */
  staleAfterMs: number;
}

export type SweepVerdict = 'go' | 'report' | 'halt';

export interface SweepJudgement {
  /** `report` and `halt` condemn nothing and end nothing. */
  verdict: SweepVerdict;
  why: string;
  /** What the store is to keep. */
  record: SweepRecord;
  /** What people are to find in the audit; null where nothing has changed for them. */
  event: 'sweep-reported' | 'sweep-halted' | 'sweep-resumed' | null;
}

/** A sweep may always end this many: a small pool would halt for each machine otherwise. */
const FEW = 5;
const SHARE = 0.2;
const CONFIRMED_MS = 3_600_000;

/**
 * Whether a sweep may act on what it found. The first one of a store that knows of no recent sweep only reports; one
 * that would end, or has lost sight of, too much of its pool halts, until it finds less or an operator confirms it.
 */
export function judgeSweep(found: SweepFinding): SweepJudgement {
  const { last, counts } = found;
  if (last === undefined || isStale(last, found)) return report(found);
  if (found.listedAt < last.listedAt) return overtaken(last);
  const record = { listedAt: later(last.listedAt, found.listedAt), halt: null, confirmed: null };
  const event = last.halt === null ? null : 'sweep-resumed';
  if (!isTooMuch(counts)) return { verdict: 'go', why: 'within the bounds', record, event };
  const { confirmed } = last;
  if (confirmed !== null && found.now <= confirmed.until && amountOf(counts) <= confirmed.count) {
    const count = confirmed.count - counts.condemns - counts.leftOvers - counts.ends;
    const why = `confirmed by ${confirmed.by}`;
    return { verdict: 'go', why, record: { ...record, confirmed: { ...confirmed, count } }, event };
  }
  return halt(found, { ...last, listedAt: record.listedAt });
}

/** The record with an operator's confirmation; undefined where there is no halt, or a larger one than `count`. */
export function confirmHalt(
  record: SweepRecord | undefined,
  act: { count: number; by: string; now: Date },
): SweepRecord | undefined {
  if (record === undefined || record.halt === null || amountOf(record.halt.counts) > act.count)
    return undefined;
  const until = new Date(act.now.getTime() + CONFIRMED_MS);
  return { ...record, confirmed: { count: act.count, until, by: act.by } };
}

/** How many instances, left-overs and machines a sweep would end, now and once what it misses counts as gone. */
export function amountOf(counts: SweepCounts): number {
  return counts.condemns + counts.leftOvers + Math.max(counts.ends, counts.vanished);
}

function isStale(last: SweepRecord, { listedAt, staleAfterMs }: SweepFinding): boolean {
  return listedAt.getTime() - last.listedAt.getTime() > staleAfterMs;
}

function isTooMuch({ machines, condemns, leftOvers, ends, vanished }: SweepCounts): boolean {
  return [condemns + leftOvers + ends, vanished].some((count) => count > FEW && count > SHARE * machines);
}

/**
 * A halt outlasts it: whoever looks for one finds it until a sweep has judged anew. A listing that began before it was
 * told overtakes nothing: two processes may sweep at once, and the second would act on what the first has only reported.
 */
function report({ last, now }: SweepFinding): SweepJudgement {
  const why =
    last === undefined
      ? 'the database knows of no sweep of this placement before'
      : `the last sweep that the database knows of was at ${last.listedAt.toISOString()}`;
  const record = { listedAt: now, halt: last?.halt ?? null, confirmed: null };
  return { verdict: 'report', why, record, event: 'sweep-reported' };
}

/** A later listing has been judged already. */
function overtaken(last: SweepRecord): SweepJudgement {
  return { verdict: 'report', why: 'a later listing was looked at before', record: last, event: null };
}

function halt({ counts, now }: SweepFinding, last: SweepRecord): SweepJudgement {
  const why =
    `would condemn ${counts.condemns} instances and ${counts.leftOvers} left-overs and end ${counts.ends} machines, ` +
    `and misses ${counts.vanished}, ` +
    `of a pool of ${counts.machines}`;
  const isWorse = last.halt === null || amountOf(counts) > amountOf(last.halt.counts);
  const record = { ...last, halt: { since: last.halt?.since ?? now, why, counts } };
  return { verdict: 'halt', why, record, event: isWorse ? 'sweep-halted' : null };
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b;
}

/** What can be frozen: the verbs whose calls cannot be undone. */
export const FREEZABLE = ['launch', 'delete'] as const;
export type Freezable = (typeof FREEZABLE)[number];

export interface Freeze {
  verb: Freezable;
  since: Date;
  by: string;
}

export interface FreezeActs {
  /** What is frozen now. */
  freezes(): Promise<readonly Freeze[]>;
  /**
   * Freezes verbs, or lets them go. Once this has answered that they are frozen no batch of theirs is closed, in any
   * process; calls of batches closed before are still answered for, and sent again where their answer was lost.
   */
  setFreeze(act: {
    verbs: readonly Freezable[];
    frozen: boolean;
    by: string;
    now: Date;
  }): Promise<readonly Freeze[]>;
}
