import type { MachineRecord, OwedRecord } from '../history.ts';
import { firstFrom } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I6: every machine that owes a step has a live job for it within one reconcile round, whatever Redis forgot.
 *
 * The looks at one owed step (same machine, step and `since`) are walked in their order. The round runs from `since`,
 * and anew from each look that found a live job or rang. A look that finds none comes before the round is over, and
 * either rings or is followed, before the round is over, by a look that does; unless the machine has meanwhile done
 * the step: its state, token or batch has changed. A round that the history's end cuts short is not held against it.
 *
 * Checked: each look at a step that was still owed.
 */
export function owedStepsAreRung(timeline: Timeline): Verdict {
  const open = openVerdict('I6');
  const episodes = new Map<string, OwedRecord[]>();
  for (const look of timeline.looks) {
    const key = `${look.machine} ${look.step} ${look.since}`;
    const looks = episodes.get(key);
    if (looks === undefined) episodes.set(key, [look]);
    else looks.push(look);
  }
  for (const looks of episodes.values()) judgeEpisode(timeline, open, looks);
  return open.verdict;
}

function judgeEpisode(timeline: Timeline, open: OpenVerdict, looks: readonly OwedRecord[]): void {
  const [first] = looks;
  if (first === undefined) return;
  const doneAt = findDone(timeline.machines.get(first.machine) ?? [], first.since);
  const stillOwed = looks.filter((look) => look.at <= doneAt);
  let dead: Dead = { sinceAt: first.since, unrung: undefined };
  for (const look of stillOwed) {
    open.count();
    dead = judgeLook(timeline, open, { look, dead });
  }
  const waitedMs = Math.min(doneAt, timeline.endsAt) - dead.sinceAt;
  if (dead.unrung !== undefined && waitedMs > timeline.reconcileRoundMs) report(open, dead.unrung, waitedMs);
}

/** Since when a step may have been without a live job, and the look that saw so and did not ring. */
interface Dead {
  sinceAt: number;
  unrung: OwedRecord | undefined;
}

function judgeLook(
  timeline: Timeline,
  open: OpenVerdict,
  { look, dead }: { look: OwedRecord; dead: Dead },
): Dead {
  const waitedMs = look.at - dead.sinceAt;
  const isLate = waitedMs > timeline.reconcileRoundMs;
  const wasDead = !look.live || dead.unrung !== undefined;
  if (isLate && wasDead) report(open, look, waitedMs);
  const isRung = look.live || look.rung;
  return { sinceAt: isRung || isLate ? look.at : dead.sinceAt, unrung: isRung ? undefined : look };
}

function report(open: OpenVerdict, look: OwedRecord, forMs: number): void {
  open.report({
    at: look.at,
    subject: look.machine,
    message: `machine ${look.machine} owed its ${look.step} for ${forMs} ms without a live job`,
    records: [look],
  });
}

/**
 * When the step was no longer owed: the first write that moved, claimed or batched the machine after the one that
 * `since` tells of, or, where `since` is the end of a claim, that committed after it. When a write was asked for says
 * nothing: a slow one was asked for long before.
 */
function findDone(records: readonly MachineRecord[], since: number): number {
  const setBy = records.findLastIndex((record) => record.at === since);
  const from = setBy === -1 ? firstFrom(records, since, (row) => row.committedAt) : setBy + 1;
  for (let index = from; index < records.length; index += 1) {
    const [before, record] = [records[index - 1], records[index]];
    if (before !== undefined && record !== undefined && isProgress(record, before)) return record.committedAt;
  }
  return Infinity;
}

function isProgress(record: MachineRecord, before: MachineRecord): boolean {
  return record.to !== before.to || record.token !== before.token || record.batch !== before.batch;
}
