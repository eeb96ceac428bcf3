import type { EndRecord, HistoryRecord, InstanceRecord } from '../history.ts';
import { byCommit } from '../order.ts';
import { findGrowth } from '../pool-sizes.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I8: surplus of a launch is never leased, counts against the limits, is condemned by the batch's end or when first
 * seen later, and is gone after quiet; no limit is ever exceeded.
 *
 * Surplus is an instance whose row never names a machine.
 * - No machine that names it is ever leased; and no lease begins on a machine, and no machine takes an instance, once
 *   that instance is condemned.
 * - It is condemned no later than its batch's end; where it was first seen after that, or without a batch, within one
 *   reconcile round; or it is gone by then.
 * - By the last end record its row says gone and the cloud does not list it.
 * - No commit takes a pool over its limit: its machines that are not deleted and its surplus together (`findGrowth`).
 *
 * Checked: each surplus instance, and each commit by which a pool grew.
 */
export function surplusIsContained(timeline: Timeline): Verdict {
  const open = openVerdict('I8');
  const end = timeline.ends.at(-1);
  const inCloud = new Set(end?.cloud.instances);
  for (const records of timeline.instances.values()) {
    judgeCondemned(timeline, open, records);
    if (records.some((record) => record.machine !== null)) continue;
    open.count();
    judgeNeverLeased(timeline, open, records);
    judgeCondemnation(timeline, open, records);
    if (end !== undefined) judgeGone(open, records, { end, inCloud });
  }
  judgeLimits(timeline, open);
  return open.verdict;
}

type Rows = readonly InstanceRecord[];

function judgeCondemned(timeline: Timeline, open: OpenVerdict, records: Rows): void {
  const condemned = records.find((record) => record.condemned);
  if (condemned === undefined) return;
  const { instance } = condemned;
  const taken = records.find(
    ({ seq, machine }) => seq > condemned.seq && machine !== null && machine !== condemned.machine,
  );
  if (taken !== undefined) {
    const message = `condemned instance ${instance} was given to machine ${taken.machine}`;
    open.report({ at: taken.committedAt, subject: instance, message, records: [condemned, taken] });
  }
  for (const machine of timeline.ownersOf.get(instance) ?? []) {
    for (const hold of timeline.holds.get(machine) ?? []) {
      if (byCommit(hold.leased, condemned) <= 0) continue;
      const message = `machine ${machine} was leased to ${hold.lease} with its condemned instance ${instance}`;
      open.report({
        at: hold.leased.committedAt,
        subject: instance,
        message,
        records: [condemned, hold.leased],
      });
    }
  }
}

function judgeNeverLeased(timeline: Timeline, open: OpenVerdict, [first]: Rows): void {
  if (first === undefined) return;
  const { instance } = first;
  for (const machine of timeline.ownersOf.get(instance) ?? []) {
    const hold = timeline.holds.get(machine)?.[0];
    if (hold === undefined) continue;
    const message = `surplus instance ${instance} was leased to ${hold.lease} as machine ${machine}`;
    open.report({ at: hold.leased.committedAt, subject: instance, message, records: [first, hold.leased] });
  }
}

function judgeCondemnation(timeline: Timeline, open: OpenVerdict, records: Rows): void {
  const [first] = records;
  const due = first === undefined ? undefined : findDue(timeline, first);
  if (first === undefined || due === undefined) return;
  const settled = records.find((record) => record.condemned || record.gone !== null);
  if ((settled?.committedAt ?? Infinity) <= due.at) return;
  open.report({
    at: due.at,
    subject: first.instance,
    message: `surplus instance ${first.instance} was not condemned by ${due.what}`,
    records: [first, ...due.records, ...(settled === undefined ? [] : [settled])],
  });
}

interface Due {
  at: number;
  what: string;
  records: HistoryRecord[];
}

/** By when it must be condemned; undefined where the history does not reach that moment. */
function findDue(timeline: Timeline, first: InstanceRecord): Due | undefined {
  const batch = first.batch === null ? undefined : timeline.batches.get(first.batch);
  const ended = batch?.find((record) => record.state === 'ended');
  if (batch !== undefined && ended === undefined) return undefined;
  if (ended !== undefined && first.committedAt <= ended.committedAt) {
    return { at: ended.committedAt, what: `the end of its batch ${ended.batch}`, records: [ended] };
  }
  const at = first.committedAt + timeline.reconcileRoundMs;
  if (at >= timeline.endsAt) return undefined;
  return { at, what: 'the reconcile round after it was first seen', records: [] };
}

function judgeGone(open: OpenVerdict, records: Rows, after: { end: EndRecord; inCloud: Set<string> }): void {
  const last = records.findLast((record) => record.committedAt <= after.end.at);
  if (last === undefined || (last.gone !== null && !after.inCloud.has(last.instance))) return;
  const where = after.inCloud.has(last.instance) ? 'in the cloud' : 'on record as existing';
  open.report({
    at: after.end.at,
    subject: last.instance,
    message: `surplus instance ${last.instance} is still ${where} after quiet`,
    records: [last, after.end],
  });
}

function judgeLimits(timeline: Timeline, open: OpenVerdict): void {
  for (const { pool, committedAt, size, records } of findGrowth(timeline)) {
    open.count();
    const limit = timeline.limits.get(pool) ?? 0;
    if (size <= limit) continue;
    const grown = records.some((record) => record.type === 'machine')
      ? 'a new machine'
      : 'surplus of a launch';
    const message = `pool ${pool} grew to ${size} by ${grown}, its limit is ${limit}`;
    open.report({ at: committedAt, subject: pool, message, records: records.slice(0, SHOWN_ROWS) });
  }
}

const SHOWN_ROWS = 5;
