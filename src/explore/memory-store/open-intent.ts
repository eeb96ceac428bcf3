import { type IntentKind, mayReplace, OPENS_IN } from '../../fleet/lifecycle.ts';
import type { Act, Answer, Machine, OpenIntentAct } from '../../fleet/store.ts';
import { ringFlow } from './bells.ts';
import { after, ENDING_MS } from './due.ts';
import type { Memory } from './memory.ts';
import { memberKey, type LeaseRow, type MachineRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** What is owed at once is overdue after a minute. */
export const AT_ONCE_MS = 60_000;

/** Opens an intent or replaces a milder one; an active lease on the machine goes to ending in the same act. */
export function openIntent(memory: Memory, act: OpenIntentAct): Answer<Machine> {
  const { tables } = memory;
  const old = tables.machines.get(act.machine);
  if (old === undefined) return { granted: false, machine: undefined };
  if (act.token !== undefined && act.token !== old.token) return { granted: false, machine: old };
  if (old.state === 'requested') {
    return act.kind === 'retire' ? cancelRequested(memory, act) : { granted: false, machine: old };
  }
  if (!opens(old, act.kind)) return { granted: false, machine: old };
  endActiveLease(memory, old.lease, act);
  return { granted: true, machine: replaceIntent(memory, { ...act, seen: old }) };
}

function opens(machine: MachineRow, kind: IntentKind): boolean {
  if (!OPENS_IN[kind].includes(machine.state)) return false;
  return machine.intentKind === null || mayReplace(machine.intentKind, kind);
}

/** A lease that is lost with retries left is succeeded at once by another of the same request. */
function endActiveLease(
  { tables, newId }: Memory,
  lease: string | null,
  act: Pick<OpenIntentAct, 'outcome' | 'reason' | 'now'>,
): void {
  const row = lease === null ? undefined : tables.leases.get(lease);
  if (row?.state !== 'active') return;
  const { outcome, reason, now } = act;
  const deadlineAt = after(now, ENDING_MS);
  const ending: LeaseRow = { ...row, state: 'ending', outcome, reason, deadlineAt, changedAt: now };
  const retriedBy = outcome === 'lost' && row.retries < row.maxRetries ? newId('lease') : null;
  tables.leases.put({ ...ending, retriedBy });
  if (retriedBy === null) return;
  tables.leases.put({
    ...row,
    ...{ id: retriedBy, idempotencyKey: null, state: 'pending', pool: null, machine: null, activeAt: null },
    ...{ retries: row.retries + 1, retryOf: row.id },
    ...{ requestedAt: now, deadlineAt: after(now, row.waitTimeoutMs), changedAt: now },
  });
}

/** The writes of opening an intent on a row that was seen to allow it. */
export function replaceIntent(
  { tables, newId }: Memory,
  act: { kind: IntentKind; reason: string; now: Date; by: string; seen: MachineRow },
): MachineRow {
  const { kind, reason, now, by, seen } = act;
  closeIntent(tables, seen.intent, { now, why: 'replaced' });
  const intent = newId('intent');
  tables.intents.put({ id: intent, machine: seen.id, kind, reason, closedAt: null, closedWhy: null });
  const isUnderWay = seen.state === 'stopping' || seen.state === 'resetting' || seen.state === 'deleting';
  const machine: MachineRow = {
    ...seen,
    intent,
    intentKind: kind,
    ring: 0,
    failures: 0,
    failure: null,
    deadlineAt: isUnderWay ? seen.deadlineAt : after(now, AT_ONCE_MS),
    changedBy: by,
    changedAt: now,
  };
  tables.machines.put(machine);
  ringFlow(tables, machine, now);
  return machine;
}

export function closeIntent(
  tables: Tables,
  intent: string | null,
  as: { now: Date; why: 'done' | 'replaced' },
): void {
  const row = intent === null ? undefined : tables.intents.get(intent);
  if (row === undefined || row.closedAt !== null) return;
  tables.intents.put({ ...row, closedAt: as.now, closedWhy: as.why });
}

/** A wish that no call has been sent for ends at once; its batch, still open, goes on without it. */
export function cancelRequested({ tables }: Memory, act: Omit<Act, 'deadlines'>): Answer<Machine> {
  const old = tables.machines.get(act.machine);
  const batch = old?.batch === null || old === undefined ? undefined : tables.batches.get(old.batch);
  if (old?.state !== 'requested' || (batch !== undefined && batch.state !== 'open')) {
    return { granted: false, machine: old };
  }
  const machine: MachineRow = {
    ...old,
    ...{ state: 'deleted', batch: null, intent: null, intentKind: null, claimedUntil: null },
    ...{ token: old.token + 1, stateSince: act.now, deadlineAt: null, changedBy: act.by, changedAt: act.now },
  };
  tables.machines.put(machine);
  closeIntent(tables, old.intent, { now: act.now, why: 'done' });
  if (batch !== undefined) {
    tables.members.drop(memberKey(batch.id, old.id));
    tables.batches.put({ ...batch, count: batch.count - 1 });
  }
  return { granted: true, machine };
}
