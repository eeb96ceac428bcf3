import { MACHINE_END } from '../designed-lifecycle.ts';
import type { CallRecord, EffectRecord, HistoryRecord, InstanceRecord, MachineRecord } from '../history.ts';
import { firstFrom, wholeMs } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I11: "gone" is never inferred from an error, no count is acted on that was not read, no call means "all" by
 * omission.
 *
 * - When an instance's row first says gone, the cloud had deleted or evicted it, and has since then, and before the
 *   write, answered with success a listing or another read that covers it.
 * - When a machine's row says deleted, the cloud had deleted or evicted its instance.
 * - No mutating call is unaddressed, whatever it was answered.
 * - Each launch carries its token: the client token that keeps it from being done twice, or the ETag of the capacity
 *   it was computed from, which makes the cloud refuse a count that is not the one that was read.
 *
 * Checked: each row that says gone, each deleted machine that had an instance, each mutating call.
 */
export function nothingIsAssumed(timeline: Timeline): Verdict {
  const open = openVerdict('I11');
  for (const call of timeline.calls) {
    if (call.verb !== 'read') judgeCall(open, call);
  }
  const reads = indexReads(timeline);
  for (const records of timeline.instances.values()) {
    const told = records.filter(
      (record, index) => record.gone !== null && (records[index - 1]?.gone ?? null) === null,
    );
    for (const record of told) judgeGone(timeline, open, { record, reads });
  }
  for (const records of timeline.machines.values()) {
    const deleted = records.find((record) => record.to === MACHINE_END);
    if (deleted !== undefined) judgeDeleted(timeline, open, deleted);
  }
  return open.verdict;
}

function judgeCall(open: OpenVerdict, call: CallRecord): void {
  open.count();
  const say = (message: string): void =>
    open.report({ at: call.at, subject: call.requestId, message, records: [call] });
  if (call.unaddressed) say(`${call.operation} names no instance: it would mean all of them`);
  if (call.verb === 'launch' && call.token === null) {
    say(`${call.operation} launches under no token: nothing ties it to what was asked for or read`);
  }
}

/** Successful answers that can tell that an instance is gone, by time. */
interface Reads {
  /** By cloud: those that name no instance, hence are listings. */
  listings: Map<string, CallRecord[]>;
  naming: Map<string, CallRecord[]>;
  /** The longest that any answer took. */
  slowestMs: number;
}

function indexReads(timeline: Timeline): Reads {
  const reads: Reads = { listings: new Map(), naming: new Map(), slowestMs: 0 };
  for (const call of timeline.calls) {
    if (call.verb !== 'read' || call.status < 200 || call.status > 299) continue;
    reads.slowestMs = Math.max(reads.slowestMs, answeredAt(call) - call.at);
    if (call.instances.length === 0) append(reads.listings, call.cloud, call);
    for (const instance of call.instances) append(reads.naming, instance, call);
  }
  return reads;
}

function append(map: Map<string, CallRecord[]>, key: string, call: CallRecord): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [call]);
  else list.push(call);
}

function judgeGone(
  timeline: Timeline,
  open: OpenVerdict,
  { record, reads }: { record: InstanceRecord; reads: Reads },
): void {
  open.count();
  const { instance, committedAt } = record;
  const end = findEnd(timeline, instance);
  const say = (message: string, ...shown: HistoryRecord[]): void =>
    open.report({ at: committedAt, subject: instance, message, records: [...shown, record] });
  if (end === undefined || wholeMs(end.at) > wholeMs(committedAt)) {
    say(`instance ${instance} was taken for gone while it existed`, ...(end === undefined ? [] : [end]));
    return;
  }
  const span = { from: wholeMs(end.at), to: wholeMs(committedAt) };
  const candidates = [reads.naming.get(instance) ?? [], reads.listings.get(end.cloud) ?? []];
  const wasRead = candidates.some((calls) => isAnswered(calls, span, reads.slowestMs));
  if (!wasRead) say(`instance ${instance} was taken for gone without an answer that said so`, end);
}

interface Span {
  from: number;
  to: number;
}

/** The moment an instance's end took effect: nothing read before it can have shown it. */
function findEnd(timeline: Timeline, instance: string): EffectRecord | undefined {
  const effects = timeline.effectsOn.get(instance) ?? [];
  return effects.find(({ effect }) => effect === 'deleted' || effect === 'evicted');
}

function isAnswered(calls: readonly CallRecord[], { from, to }: Span, slowestMs: number): boolean {
  const start = firstFrom(calls, from - slowestMs, (call) => call.at);
  for (let index = start; index < calls.length; index += 1) {
    const call = calls[index];
    if (call === undefined || wholeMs(call.at) > to) return false;
    if (wholeMs(answeredAt(call)) >= from) return true;
  }
  return false;
}

function answeredAt(call: CallRecord): number {
  return call.answeredAt ?? call.at + SLOW_ANSWER_MS;
}

/** How long an answer may take whose `answeredAt` is not known: it may show what came true after the call arrived. */
const SLOW_ANSWER_MS = 1000;

function judgeDeleted(timeline: Timeline, open: OpenVerdict, deleted: MachineRecord): void {
  for (const instance of timeline.instancesOf.get(deleted.machine) ?? []) {
    open.count();
    const end = findEnd(timeline, instance);
    if (end !== undefined && wholeMs(end.at) <= wholeMs(deleted.committedAt)) continue;
    open.report({
      at: deleted.committedAt,
      subject: deleted.machine,
      message: `machine ${deleted.machine} was recorded as deleted while its instance ${instance} existed`,
      records: end === undefined ? [deleted] : [deleted, end],
    });
  }
}
