import type { CallRecord, EffectRecord, HistoryRecord, LeaseRecord, MachineRecord } from '../history.ts';
import type { Hold } from '../holds.ts';
import { findUnlawfulMoves } from '../lawful-moves.ts';
import { firstFrom, wholeMs } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I1: no delete of a machine reaches a cloud before the release of its last lease has committed, and no stop, reset
 * or delete takes effect on a machine while a later lease holds it.
 *
 * - A delete call that names the instance of a machine that was ever leased, whatever it was answered, and a delete
 *   effect that a request caused, come in or after the millisecond in which the machine's last release committed:
 *   its move to released and its lease's final state.
 * - A stop or reset effect that a request caused does not fall between a hold's commit of leased and of released;
 *   a stop may, where the request that caused it came at or after the hold's own move to stopping.
 * - What the cloud does by itself (an eviction, an effect without a request) is nobody's overtaking.
 * - Unlawful moves of a machine's row are reported here too (`findUnlawfulMoves`).
 *
 * Checked: each such call, once an instance, and each such effect.
 */
export function deletionFollowsRelease(timeline: Timeline): Verdict {
  const open = openVerdict('I1');
  for (const call of timeline.calls) {
    if (call.verb !== 'delete') continue;
    for (const instance of new Set(call.instances)) judgeDeletion(timeline, open, { cause: call, instance });
  }
  for (const effect of timeline.effects) {
    if (effect.requestId === null) continue;
    const { instance } = effect;
    if (effect.effect === 'deleted') judgeDeletion(timeline, open, { cause: effect, instance });
    if (effect.effect === 'stopped' || effect.effect === 'reset') judgeHalt(timeline, open, effect);
  }
  for (const finding of findUnlawfulMoves(timeline)) open.report(finding);
  return open.verdict;
}

interface Deletion {
  cause: CallRecord | EffectRecord;
  instance: string;
}

function judgeDeletion(timeline: Timeline, open: OpenVerdict, { cause, instance }: Deletion): void {
  for (const machine of timeline.ownersOf.get(instance) ?? []) {
    const last = timeline.holds.get(machine)?.at(-1);
    if (last === undefined) continue;
    open.count();
    const release = findRelease(timeline, last);
    if (wholeMs(cause.at) >= wholeMs(release.at)) continue;
    const what = cause.type === 'call' ? 'a delete call reached' : 'a delete took effect in';
    const when = Number.isFinite(release.at) ? `${release.at - cause.at} ms before` : 'without';
    open.report({
      at: cause.at,
      subject: machine,
      message: `${what} ${cause.cloud} for machine ${machine} ${when} the release of its last lease ${last.lease}`,
      records: [last.leased, cause, ...release.records],
    });
  }
}

interface Release {
  /** When it had committed; Infinity where it never did. */
  at: number;
  records: HistoryRecord[];
}

/** A release is both halves of its transaction: the machine released and the lease final. */
function findRelease(timeline: Timeline, hold: Hold): Release {
  const lease = hold.lease === null ? undefined : timeline.leaseHolds.get(hold.lease);
  const halves: (MachineRecord | LeaseRecord | null)[] = [hold.released];
  if (lease !== undefined) halves.push(lease.end);
  return {
    at: Math.max(...halves.map((half) => half?.committedAt ?? Infinity)),
    records: halves.filter((half) => half !== null),
  };
}

function judgeHalt(timeline: Timeline, open: OpenVerdict, effect: EffectRecord): void {
  for (const machine of timeline.ownersOf.get(effect.instance) ?? []) {
    const holds = timeline.holds.get(machine);
    if (holds === undefined) continue;
    open.count();
    const hold = holdDuring(holds, wholeMs(effect.at));
    if (hold === undefined || isOwnStop(timeline, effect, hold)) continue;
    const call = timeline.callOf(effect);
    const act = effect.effect === 'stopped' ? 'stop' : 'reset';
    open.report({
      at: effect.at,
      subject: machine,
      message: `a ${act} took effect on machine ${machine} while lease ${hold.lease} held it`,
      records: [hold.leased, ...(call === undefined ? [] : [call]), effect],
    });
  }
}

/** The hold that was on at this moment for certain: strictly between the milliseconds of its two commits. */
function holdDuring(holds: readonly Hold[], at: number): Hold | undefined {
  const next = firstFrom(holds, at, (hold) => wholeMs(hold.leased.committedAt));
  const hold = holds[next - 1];
  if (hold === undefined) return undefined;
  return at < wholeMs(hold.released?.committedAt ?? Infinity) ? hold : undefined;
}

function isOwnStop(timeline: Timeline, effect: EffectRecord, hold: Hold): boolean {
  if (effect.effect !== 'stopped' || hold.stopping === null) return false;
  const call = timeline.callOf(effect);
  return call !== undefined && wholeMs(call.at) >= wholeMs(hold.stopping.committedAt);
}
