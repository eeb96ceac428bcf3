import { EMBODIED_STATES, MACHINE_END } from '../designed-lifecycle.ts';
import type { CloudPart, EndRecord, HistoryRecord } from '../history.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I7: after quiet, cloud and database agree: no instance, disk, network card or address without an owner, no row
 * without its machine. Each end record is such a moment.
 *
 * - An instance in the cloud is the instance of exactly one machine that is not deleted; a disk, network card or
 *   address belongs to such an instance.
 * - A machine that is not deleted and names an instance finds it in the cloud, and one whose state cannot be had
 *   without an instance names one.
 * - A machine whose row was not deleted by then is in the end record; an instance whose row does not say gone by then
 *   is in the cloud.
 * - An instance that was launched and is not in the cloud has ended there: it was deleted or evicted.
 *
 * Checked: each instance, disk, network card and address in the cloud, each machine of the end record, each machine
 * and each instance whose row says that it still exists, and each instance that a cloud has ever launched by then.
 */
export function cloudAndDatabaseAgree(timeline: Timeline): Verdict {
  const open = openVerdict('I7');
  for (const end of timeline.ends) judgeEnd(timeline, open, end);
  return open.verdict;
}

function judgeEnd(timeline: Timeline, open: OpenVerdict, end: EndRecord): void {
  const say = (subject: string, message: string, ...shown: HistoryRecord[]): void =>
    open.report({ at: end.at, subject, message: `after quiet, ${message}`, records: [...shown, end] });
  const judging: Judging = { timeline, open, end, say };
  judgeCloud(judging);
  judgeMachines(judging);
  judgeMachineRows(judging);
  judgeInstanceRows(judging);
  judgeLaunched(judging);
}

interface Judging {
  timeline: Timeline;
  open: OpenVerdict;
  end: EndRecord;
  say: (subject: string, message: string, ...shown: HistoryRecord[]) => void;
}

function judgeCloud({ open, end, say }: Judging): void {
  const owners = new Map<string, string[]>();
  for (const { instance, machine, state } of end.machines) {
    if (instance === null || state === MACHINE_END) continue;
    owners.set(instance, [...(owners.get(instance) ?? []), machine]);
  }
  for (const instance of end.cloud.instances) {
    open.count();
    const machines = owners.get(instance) ?? [];
    if (machines.length === 0) say(instance, `instance ${instance} is in the cloud without a machine`);
    if (machines.length > 1) say(instance, `instance ${instance} belongs to ${machines.join(' and ')}`);
  }
  const instances = new Set(end.cloud.instances);
  const judgeParts = (kind: string, parts: readonly CloudPart[]): void => {
    for (const { id, instance } of parts) {
      open.count();
      const isOwned = instance !== null && instances.has(instance) && owners.has(instance);
      if (!isOwned)
        say(id, `${kind} ${id} is in the cloud without an owner (instance ${instance ?? 'none'})`);
    }
  };
  judgeParts('disk', end.cloud.disks);
  judgeParts('network card', end.cloud.networkCards);
  judgeParts('address', end.cloud.addresses);
}

function judgeMachines({ open, end, say }: Judging): void {
  const instances = new Set(end.cloud.instances);
  for (const { machine, instance, state } of end.machines) {
    open.count();
    if (state === MACHINE_END) continue;
    if (instance === null && EMBODIED_STATES.has(state)) {
      say(machine, `machine ${machine} is ${state} and names no instance`);
    }
    if (instance !== null && !instances.has(instance)) {
      say(machine, `machine ${machine} is ${state}, but its instance ${instance} is not in the cloud`);
    }
  }
}

function judgeMachineRows({ timeline, open, end, say }: Judging): void {
  const existing = end.machines.filter(({ state }) => state !== MACHINE_END);
  const listed = new Set(existing.map(({ machine }) => machine));
  for (const [machine, records] of timeline.machines) {
    const last = records.findLast((record) => record.committedAt <= end.at);
    if (last === undefined) continue;
    const isDeleted = last.to === MACHINE_END;
    if (isDeleted && !listed.has(machine)) continue;
    open.count();
    if (isDeleted) say(machine, `deleted machine ${machine} is listed as existing`, last);
    else if (!listed.has(machine)) say(machine, `machine ${machine}, last ${last.to}, is not listed`, last);
  }
}

function judgeInstanceRows({ timeline, open, end, say }: Judging): void {
  const instances = new Set(end.cloud.instances);
  for (const [instance, records] of timeline.instances) {
    const last = records.findLast((record) => record.committedAt <= end.at);
    if (last === undefined || last.gone !== null) continue;
    open.count();
    if (instances.has(instance)) continue;
    say(instance, `instance ${instance} is on record as existing, but not in the cloud`, last);
  }
}

function judgeLaunched({ timeline, open, end, say }: Judging): void {
  const here = new Set(end.cloud.instances);
  for (const [instance, effects] of timeline.effectsOn) {
    const until = effects.filter((effect) => effect.at <= end.at);
    const launched = until.find((effect) => effect.effect === 'launched');
    if (launched === undefined) continue;
    open.count();
    const hasEnded = until.some(({ effect }) => effect === 'deleted' || effect === 'evicted');
    if (!hasEnded && !here.has(instance)) {
      say(instance, `instance ${instance} was launched, never ended, and is not listed`, launched);
    }
  }
}
