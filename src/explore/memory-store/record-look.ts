import type { Look } from '../../fleet/provider.ts';
import type { Batch, BatchActs } from '../../fleet/store.ts';
import { wake } from './bells.ts';
import { after, byOrder } from './due.ts';
import { condemn } from './condemn.ts';
import type { Memory } from './memory.ts';
import { type InstanceRow, type MachineRow, memberKey, type MemberRow, placementKey } from './rows.ts';
import {
  type DoneMember,
  type FailedMember,
  failMembers,
  finishMembers,
  pendingMember,
} from './settle-members.ts';
import type { Tables } from './tables.ts';
import { toBatch } from './to-batch.ts';

type RecordAct = Parameters<BatchActs['recordLook']>[0];
type Recorded = Awaited<ReturnType<BatchActs['recordLook']>>;

/** Writes down what a look at a batch showed, as one act under the batch's own token. */
export function recordLook(memory: Memory, act: RecordAct): Recorded {
  const { tables } = memory;
  const row = tables.batches.get(act.batch);
  if (row?.token !== act.token || (row.state !== 'closed' && row.state !== 'sent')) {
    return { recorded: false, ended: false, pools: [] };
  }
  const batch = toBatch(tables, row);
  const isLaunch = batch.verb === 'launch';
  if (isLaunch) adopt(tables, batch, act);
  const { done, failed, waiting } = sortOutcomes(tables, batch, act);
  const { now, by, look } = act;
  finishMembers(memory, { batch, done, now, by });
  failMembers(memory, { batch, failed, now, by });
  if (isLaunch) noteLaunch(tables, { batch, done, failed, now });
  const ended = waiting === 0 && (!isLaunch || look.settled);
  if (ended) condemnSurplus(memory, batch, act);
  writeBatch(tables, { batch, ended, act });
  return { recorded: true, ended, pools: poolsToGrow(tables, { batch, ended }) };
}

/** Only a launch has made instances. */
function condemnSurplus(memory: Memory, batch: Batch, { now, by }: RecordAct): void {
  const surplus = memory.tables.instances.where((each) => each.batch === batch.id && isFreeInstance(each));
  const instances = surplus.map((each) => each.id);
  condemn(memory, { instances, reason: 'surplus of a launch', now, by });
}

/**
 * Writes down every instance the launch made, then gives those nobody owns to members that have none: first to those
 * still waiting, then to those given up, which keep their place in the pool for just that and delete what they get.
 */
function adopt(tables: Tables, batch: Batch, act: RecordAct): void {
  for (const seen of act.look.launched) noteInstance(tables, { batch, act, seen });
  const free = tables.instances
    .where((each) => each.batch === batch.id && isFreeInstance(each))
    .toSorted(byOrder(() => []));
  const changed = { changedBy: act.by, changedAt: act.now };
  for (const { machine, member } of wanting(tables, batch)) {
    const instance = free.shift();
    if (instance === undefined) return;
    tables.instances.put({ ...instance, ...changed, machine: machine.id });
    tables.members.put({ ...member, instance: instance.id });
    tables.machines.put({ ...machine, ...changed, instance: instance.id, address: instance.address });
  }
  for (const machine of keepingPlace(tables, batch)) {
    const instance = free.shift();
    if (instance === undefined) return;
    tables.instances.put({ ...instance, ...changed, machine: machine.id, condemnedAt: act.now });
    tables.machines.put({ ...machine, ...changed, instance: instance.id, address: instance.address });
  }
}

function wanting(tables: Tables, batch: Batch): { machine: MachineRow; member: MemberRow }[] {
  return batch.pending.flatMap((machine) => {
    const found = pendingMember(tables, batch.id, machine);
    return found === undefined || found.member.instance !== null ? [] : [found];
  });
}

function keepingPlace(tables: Tables, batch: Batch): MachineRow[] {
  return batch.members.flatMap(({ machine: id }) => {
    const member = tables.members.get(memberKey(batch.id, id));
    const machine = tables.machines.get(id);
    if (member?.state !== 'given-up' || machine?.intentKind !== 'retire' || machine.instance !== null)
      return [];
    return machine.state === 'provisioning' || machine.state === 'deleting' ? [machine] : [];
  });
}

function isFreeInstance(each: InstanceRow): boolean {
  return each.machine === null && each.condemnedAt === null && each.goneAt === null;
}

function noteInstance(
  tables: Tables,
  from: { batch: Batch; act: RecordAct; seen: Look['launched'][number] },
): void {
  const { batch, act, seen } = from;
  const changed = { changedBy: act.by, changedAt: act.now };
  const gone = seen.state === 'gone' ? ({ goneAt: act.now, gone: 'listed-gone' } as const) : undefined;
  const known = tables.instances.get(seen.instance);
  if (known === undefined) {
    const { pool, name } = batch.placement;
    tables.instances.put({
      ...{ id: seen.instance, pool, placement: name, batch: batch.id, machine: null, address: seen.address },
      ...{ sightedAt: act.now, missingSince: null, condemnedAt: null, goneAt: null, gone: null },
      ...changed,
      ...gone,
    });
  } else if (isNews(known, seen)) {
    tables.instances.put({
      ...known,
      ...changed,
      address: seen.address ?? known.address,
      batch: known.batch ?? batch.id,
      ...(known.gone === null && gone),
    });
  }
}

function isNews(known: InstanceRow, seen: Look['launched'][number]): boolean {
  if (known.batch === null || (known.address === null && seen.address !== null)) return true;
  return known.gone === null && seen.state === 'gone';
}

interface Sorted {
  done: DoneMember[];
  failed: FailedMember[];
  waiting: number;
}

function sortOutcomes(tables: Tables, batch: Batch, act: RecordAct): Sorted {
  const sorted: Sorted = { done: [], failed: [], waiting: 0 };
  for (const id of batch.pending) {
    const found = pendingMember(tables, batch.id, id);
    if (found === undefined) continue;
    const { machine, member } = found;
    const progress =
      batch.verb === 'launch'
        ? launchProgress(act.look, member.instance)
        : actProgress(act.look, member.instance);
    const deadlines = act.pools.find((pool) => pool.name === machine.pool)?.deadlines ?? {};
    if (progress.state === 'failed') sorted.failed.push({ machine: id, failure: progress.failure });
    else if (progress.state === 'done')
      sorted.done.push({ machine: id, address: progress.address, deadlines });
    else sorted.waiting += 1;
  }
  return sorted;
}

type MemberProgress =
  | { state: 'pending' }
  | { state: 'done'; address: string | null }
  | { state: 'failed'; failure: string };

/** A launched member is done once its instance runs and can be reached; without an instance it waits or fails. */
function launchProgress(look: Look, instance: string | null): MemberProgress {
  if (instance === null) {
    const failure = look.error?.message ?? 'the cloud made fewer machines than were asked for';
    return look.settled ? { state: 'failed', failure } : { state: 'pending' };
  }
  const launched = look.launched.find((each) => each.instance === instance);
  if (launched?.state === 'gone')
    return { state: 'failed', failure: 'the instance ended while it was launching' };
  if (launched?.state !== 'running' || launched.address === null) return { state: 'pending' };
  return { state: 'done', address: launched.address };
}

function actProgress(look: Look, instance: string | null): MemberProgress {
  const progress = instance === null ? undefined : look.outcomes[instance];
  if (progress === undefined || progress.state === 'pending') return { state: 'pending' };
  if (progress.state === 'failed') return { state: 'failed', failure: progress.error.message };
  return { state: 'done', address: progress.address ?? null };
}

const COOL_MOST_S = 600;

/** A refused launch leaves its placement alone for a growing while; a launch that worked forgets that. */
function noteLaunch(
  tables: Tables,
  from: { batch: Batch; done: readonly unknown[]; failed: readonly unknown[]; now: Date },
): void {
  if (from.done.length + from.failed.length === 0) return;
  const { pool, name } = from.batch.placement;
  const id = placementKey(from.batch.placement);
  const known = tables.placements.get(id) ?? { id, pool, name, failures: 0, coolUntil: null };
  if (from.failed.length === 0) {
    tables.placements.put({ ...known, failures: 0, coolUntil: null });
    return;
  }
  const failures = known.failures + 1;
  const pauseS = Math.min(COOL_MOST_S, 2 ** Math.min(failures, 10));
  tables.placements.put({ ...known, failures, coolUntil: after(from.now, pauseS * 1000) });
}

function writeBatch(tables: Tables, from: { batch: Batch; ended: boolean; act: RecordAct }): void {
  const row = tables.batches.get(from.batch.id);
  if (row === undefined) return;
  const { ended } = from;
  const { look, now, by } = from.act;
  const holdsLane = look.holdsLane && !ended;
  tables.batches.put({
    ...row,
    handle: look.handle,
    state: ended ? 'ended' : 'sent',
    holdsLane,
    lookAt: ended ? null : after(now, look.lookInMs),
    endedAt: ended ? now : null,
    ...{ claimedUntil: null, inDoubt: false, failures: 0, failure: null, changedBy: by, changedAt: now },
  });
  if (!holdsLane) wakeLane(tables, row.lane, now);
}

/** The lane is free: what has been collecting for it goes next. */
export function wakeLane(tables: Tables, lane: string, now: Date): void {
  for (const next of tables.batches.where((each) => each.lane === lane && each.state === 'open')) {
    wake(tables, `batch.${next.id}.${next.ring}`, now);
  }
}

function poolsToGrow(tables: Tables, { batch, ended }: { batch: Batch; ended: boolean }): string[] {
  if (!ended) return [];
  const names = new Set(batch.members.flatMap(({ machine }) => tables.machines.get(machine)?.pool ?? []));
  const isAskedFor = (name: string): boolean =>
    tables.leases.where((each) => each.state === 'pending' && each.pools.includes(name)).length > 0;
  return [...names].filter((name) => (tables.pools.get(name)?.pool.minIdle ?? 0) > 0 || isAskedFor(name));
}
