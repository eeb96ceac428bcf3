import { MACHINE_END } from '../designed-lifecycle.ts';
import type { CallRecord, HistoryRecord, MachineRecord } from '../history.ts';
import { firstFrom } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type Finding, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I12: one machine that cannot be deleted holds up no other.
 *
 * A machine is refused from the first delete call that named it and was refused or failed (being throttled is no
 * refusal, a reply that was lost neither) until it is deleted. The neighbours of that time are the other machines of
 * its placement whose deleting overlaps it, except those that were themselves refused by name, alone. Each of them is
 * deleted by the first deadline of its deleting; one whose deadline the history does not reach is left out.
 *
 * Checked: each refused machine that had such a neighbour.
 */
export function refusedDeletionHoldsUpNone(timeline: Timeline): Verdict {
  const open = openVerdict('I12');
  const placements = new Map<string, Deleting[]>();
  const refusals = findRefusals(timeline);
  for (const records of timeline.machines.values()) {
    const deleting = findDeleting(timeline, records, refusals);
    if (deleting === undefined) continue;
    const others = placements.get(deleting.begin.placement);
    if (others === undefined) placements.set(deleting.begin.placement, [deleting]);
    else others.push(deleting);
  }
  for (const all of placements.values()) judgePlacement(timeline, open, all);
  return open.verdict;
}

interface Refusal {
  first: CallRecord;
  /** True where some refused call named no other instance. */
  alone: boolean;
}

/** One machine's stay in deleting. */
interface Deleting {
  begin: MachineRecord;
  /** null where it was still there at the history's end. */
  end: MachineRecord | null;
  endsAt: number;
  refusal: Refusal | undefined;
}

function findRefusals(timeline: Timeline): Map<string, Refusal> {
  const refusals = new Map<string, Refusal>();
  for (const call of timeline.calls) {
    if (call.verb !== 'delete' || !isRefused(call)) continue;
    const alone = new Set(call.instances).size === 1;
    for (const instance of call.instances) {
      const known = refusals.get(instance);
      if (known === undefined) refusals.set(instance, { first: call, alone });
      else known.alone ||= alone;
    }
  }
  return refusals;
}

function isRefused({ status, code, fault }: CallRecord): boolean {
  if (status === 429 || fault === 'throttled' || (code !== null && THROTTLED.test(code))) return false;
  return status >= 400 || fault === 'operation-failed';
}

const THROTTLED = /throttl|RequestLimitExceeded|TooManyRequests|SlowDown/i;

function findDeleting(
  timeline: Timeline,
  records: readonly MachineRecord[],
  refusals: ReadonlyMap<string, Refusal>,
): Deleting | undefined {
  const begin = records.find((record) => record.to === 'deleting');
  if (begin === undefined) return undefined;
  const end = records.find((record) => record.to === MACHINE_END) ?? null;
  const endsAt = end?.committedAt ?? timeline.endsAt;
  const instances = [...(timeline.instancesOf.get(begin.machine) ?? [])];
  const refusal = instances.map((instance) => refusals.get(instance)).find((found) => found !== undefined);
  return {
    begin,
    end,
    endsAt,
    refusal: refusal !== undefined && refusal.first.at < endsAt ? refusal : undefined,
  };
}

function judgePlacement(timeline: Timeline, open: OpenVerdict, all: readonly Deleting[]): void {
  const refused = all.filter(({ refusal }) => refusal !== undefined);
  const neighbours = all.filter((each) => isJudged(timeline, each));
  const among = createOverlaps(neighbours, (each) => ({ from: each.begin.committedAt, to: each.endsAt }));
  for (const each of refused) {
    const others = among(refusedSpan(each)) - Number(isJudged(timeline, each));
    if (others > 0) open.count();
  }
  for (const late of neighbours.filter(isLate)) {
    const culprit = refused.find((each) => each !== late && isAt(each, late));
    if (culprit !== undefined) open.report(describe(late, culprit));
  }
}

interface Span {
  from: number;
  to: number;
}

/** How many of these items overlap a span: all that began before its end, less those that ended before it began. */
function createOverlaps<T>(items: readonly T[], spanOf: (item: T) => Span): (span: Span) => number {
  const spans = items.map(spanOf);
  const begins = spans.map(({ from }) => from).toSorted((a, b) => a - b);
  const ends = spans.map(({ to }) => to).toSorted((a, b) => a - b);
  return ({ from, to }) => firstFrom(begins, to, (at) => at) - firstFrom(ends, from, (at) => at);
}

function refusedSpan({ refusal, begin, endsAt }: Deleting): Span {
  return { from: refusal?.first.at ?? begin.committedAt, to: endsAt };
}

function isAt(culprit: Deleting, late: Deleting): boolean {
  const { from, to } = refusedSpan(culprit);
  return late.begin.committedAt < to && late.endsAt >= from;
}

function isJudged(timeline: Timeline, { begin, end, refusal }: Deleting): boolean {
  if (begin.deadlineAt === null || refusal?.alone === true) return false;
  return end !== null || timeline.endsAt > begin.deadlineAt;
}

function isLate({ begin, end }: Deleting): boolean {
  return begin.deadlineAt !== null && (end?.committedAt ?? Infinity) > begin.deadlineAt;
}

function describe(late: Deleting, culprit: Deleting): Finding {
  const { machine, deadlineAt } = late.begin;
  const records: (HistoryRecord | null | undefined)[] = [culprit.refusal?.first, late.begin, late.end];
  return {
    at: deadlineAt ?? late.begin.committedAt,
    subject: machine,
    message: `machine ${machine} was not deleted by its deadline while ${culprit.begin.machine} could not be deleted`,
    records: records.filter((record) => record !== null && record !== undefined),
  };
}
