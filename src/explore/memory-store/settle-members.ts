import type { MachineState } from '../../fleet/lifecycle.ts';
import type { Pool } from '../../fleet/pool.ts';
import type { Verb } from '../../fleet/provider.ts';
import type { Batch } from '../../fleet/store.ts';
import { ringFlow, wakeWaiting } from './bells.ts';
import { after } from './due.ts';
import type { Memory } from './memory.ts';
import { AT_ONCE_MS, closeIntent } from './open-intent.ts';
import { type MachineRow, memberKey, type MemberRow } from './rows.ts';
import type { Tables } from './tables.ts';

export interface DoneMember {
  machine: string;
  address: string | null;
  deadlines: Pool['deadlines'];
}

interface Settling {
  batch: Pick<Batch, 'id' | 'verb'>;
  now: Date;
  by: string;
}

const DONE_STATE = {
  launch: 'booting',
  start: 'booting',
  stop: 'stopped',
  reset: 'booting',
  delete: 'deleted',
} as const satisfies Record<Verb, MachineState>;

/** A member and its machine, where it still waits for its outcome under the token it joined with. */
export function pendingMember(
  tables: Tables,
  batch: string,
  machine: string,
): { member: MemberRow; machine: MachineRow } | undefined {
  const member = tables.members.get(memberKey(batch, machine));
  const row = tables.machines.get(machine);
  if (member?.state !== 'pending' || row?.batch !== batch || row.token !== member.token) return undefined;
  return { member, machine: row };
}

export function finishMembers({ tables }: Memory, act: Settling & { done: readonly DoneMember[] }): void {
  for (const told of act.done) {
    const found = pendingMember(tables, act.batch.id, told.machine);
    if (found === undefined) continue;
    const { machine: old, member } = found;
    tables.machines.put(finished(old, told, act));
    if (act.batch.verb === 'delete') {
      closeIntent(tables, old.intent, { now: act.now, why: 'done' });
      markGone(tables, old.instance, act);
    }
    tables.members.put({ ...member, state: 'done' });
    wakeWaiting(tables, old, act.now);
  }
}

function finished(old: MachineRow, told: DoneMember, { batch, now, by }: Settling): MachineRow {
  const { verb } = batch;
  const next = DONE_STATE[verb];
  const stays = old.state === next;
  const ms = told.deadlines[next];
  return {
    ...old,
    ...{ state: next, batch: null, claimedUntil: null, claimedBy: null },
    stateSince: stays ? old.stateSince : now,
    deadlineAt: stays ? old.deadlineAt : ms === undefined ? null : after(now, ms),
    clean: old.clean || verb === 'launch' || verb === 'reset',
    halted: verb === 'stop',
    address: told.address ?? old.address,
    ...{ failures: 0, failure: null, refusals: 0, refusedSince: null, ring: 0 },
    ...(verb === 'delete' && { intent: null, intentKind: null }),
    ...{ changedBy: by, changedAt: now },
  };
}

function markGone(tables: Tables, instance: string | null, { now, by }: Settling): void {
  const row = instance === null ? undefined : tables.instances.get(instance);
  if (row === undefined || row.goneAt !== null) return;
  tables.instances.put({ ...row, goneAt: now, gone: 'listed-gone', changedBy: by, changedAt: now });
}

export interface FailedMember {
  machine: string;
  failure: string;
}

/** What failed means retire (an open quarantine stays), but a delete: its machine is set aside for a growing pause. */
export function failMembers(memory: Memory, act: Settling & { failed: readonly FailedMember[] }): void {
  if (act.failed.length === 0) return;
  const { tables } = memory;
  const { batch, now, by } = act;
  if (batch.verb !== 'delete') {
    const only = act.failed.map((each) => each.machine);
    retireMembers(memory, { batch: batch.id, now, by, why: `${batch.verb} failed`, only });
  }
  for (const { machine, failure } of act.failed) {
    const found = pendingMember(tables, batch.id, machine);
    if (found === undefined) continue;
    tables.machines.put(failed(found.machine, failure, act));
    tables.members.put({ ...found.member, state: 'failed', failure });
    wakeWaiting(tables, found.machine, now);
  }
}

const DELETE_PAUSE_MOST_S = 600;

function failed(old: MachineRow, failure: string, { batch, now, by }: Settling): MachineRow {
  const isDelete = batch.verb === 'delete';
  const stops = batch.verb === 'stop';
  const pauseS = Math.min(DELETE_PAUSE_MOST_S, 2 ** Math.min(old.refusals, 10));
  return {
    ...old,
    ...{ batch: null, claimedBy: null, failure, failures: old.failures + 1 },
    refusals: old.refusals + (isDelete ? 1 : 0),
    refusedSince: isDelete ? (old.refusedSince ?? now) : null,
    state: stops ? 'stopped' : old.state,
    stateSince: stops ? now : old.stateSince,
    claimedUntil: isDelete ? after(now, pauseS * 1000) : null,
    deadlineAt: isDelete ? old.deadlineAt : after(now, AT_ONCE_MS),
    ...{ changedBy: by, changedAt: now },
  };
}

/** Makes the open intent of a batch's members a retire where it is milder; an open quarantine stays. */
export function retireMembers(
  { tables, newId }: Memory,
  act: { batch: string; now: Date; by: string; why: string; only?: readonly string[] },
): void {
  const milder = tables.machines.where(
    (each) =>
      each.batch === act.batch &&
      (each.intentKind === 'provision' || each.intentKind === 'recycle' || each.intentKind === 'park') &&
      (act.only?.includes(each.id) ?? true),
  );
  for (const old of milder) {
    closeIntent(tables, old.intent, { now: act.now, why: 'replaced' });
    const intent = newId('intent');
    const opened = { id: intent, machine: old.id, reason: act.why, closedAt: null, closedWhy: null };
    tables.intents.put({ ...opened, kind: 'retire' });
    const changed = { ring: 0, changedBy: act.by, changedAt: act.now };
    const machine: MachineRow = { ...old, ...changed, intent, intentKind: 'retire' };
    tables.machines.put(machine);
    ringFlow(tables, machine, act.now);
  }
}
