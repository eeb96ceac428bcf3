import type { IntentKind, MachineState } from '../../fleet/lifecycle.ts';
import type { ReconcileActs } from '../../fleet/reconcile-acts.ts';
import type { Answer } from '../../fleet/store.ts';
import { after, ENDING_MS } from './due.ts';
import type { Memory } from './memory.ts';
import { cancelRequested, replaceIntent } from './open-intent.ts';
import { type MachineRow, memberKey } from './rows.ts';
import type { Tables } from './tables.ts';

type RecoverAct = Parameters<ReconcileActs['recover']>[0];

const TRIES_AGAIN: readonly MachineState[] = ['stopped', 'released', 'deleting'];

/** The named recovery of a state's deadline; every one of them sets the next. */
export function recover(memory: Memory, act: RecoverAct): Answer {
  const { tables } = memory;
  const machine = tables.machines.get(act.machine);
  const seen = act.seenDeadline.getTime();
  if (machine?.deadlineAt?.getTime() !== seen) return { granted: false, machine };
  if (machine.state === 'requested') return cancelRequested(memory, act);
  if (triesAgain(machine)) return { granted: true, machine: giveUp(tables, machine, act) };
  if (machine.state === 'leased') expire(tables, machine.lease, act.now);
  return { granted: true, machine: giveUp(tables, harden(memory, machine, act), act) };
}

/** What is owed is only rung or tried again: nothing has gone wrong with the machine itself. */
function triesAgain(machine: MachineRow): boolean {
  // A lease that is already ending only waits for its stop.
  if (machine.state === 'leased') return machine.intent !== null;
  return TRIES_AGAIN.includes(machine.state);
}

function expire(tables: Tables, lease: string | null, now: Date): void {
  const row = lease === null ? undefined : tables.leases.get(lease);
  if (row?.state !== 'active') return;
  const ending = { outcome: 'expired', reason: 'max-duration', changedAt: now } as const;
  tables.leases.put({ ...row, ...ending, state: 'ending', deadlineAt: after(now, ENDING_MS) });
}

/** The intent becomes a retire; an open quarantine of a stop stays, and one kept too long ends. */
function harden(memory: Memory, machine: MachineRow, act: RecoverAct): MachineRow {
  const stays: readonly IntentKind[] =
    machine.state === 'quarantined' ? ['retire'] : ['retire', 'quarantine'];
  if (machine.intentKind !== null && stays.includes(machine.intentKind)) return machine;
  const reason = `${machine.state} past its deadline`;
  return replaceIntent(memory, { kind: 'retire', reason, now: act.now, by: act.by, seen: machine });
}

/** Leaves its batch, which goes on for its own sake; the token goes up, so that a late answer changes nothing here. */
function giveUp(tables: Tables, machine: MachineRow, act: RecoverAct): MachineRow {
  if (machine.batch !== null) {
    const member = tables.members.get(memberKey(machine.batch, machine.id));
    if (member?.state === 'pending') tables.members.put({ ...member, state: 'given-up' });
  }
  const next = machine.state === 'stopping' ? 'stopped' : machine.state;
  const pauseS = Math.min(3600, 60 * 2 ** Math.min(machine.failures, 6));
  const extraMs = machine.state === 'deleting' ? (act.deadlines.deleting ?? 0) : 0;
  const row: MachineRow = {
    ...machine,
    ...{ state: next, batch: null, token: machine.token + 1, claimedBy: null },
    // What is set aside stays so until its pause is over.
    claimedUntil: machine.refusals > 0 && machine.batch === null ? machine.claimedUntil : null,
    stateSince: next === machine.state ? machine.stateSince : act.now,
    failures: machine.failures + 1,
    deadlineAt: after(act.now, pauseS * 1000 + extraMs),
    ...{ changedBy: act.by, changedAt: act.now },
  };
  tables.machines.put(row);
  return row;
}
