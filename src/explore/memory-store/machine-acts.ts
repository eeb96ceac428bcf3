import type { MachineState, Step } from '../../fleet/lifecycle.ts';
import type { Act, Answer, MachineActs } from '../../fleet/store.ts';
import { wakeFlow } from './bells.ts';
import { dueAt, isFree } from './due.ts';
import { join } from './join.ts';
import { atomic, type Memory } from './memory.ts';
import { closeIntent, openIntent } from './open-intent.ts';
import { release } from './release.ts';
import type { MachineRow } from './rows.ts';
import { settled } from './settled.ts';
import type { Tables } from './tables.ts';

export function createMachineActs(memory: Memory): MachineActs {
  return {
    look: (machine) => Promise.resolve(memory.tables.machines.get(machine)),
    claim: atomic(memory, claim),
    join: atomic(memory, join),
    finish: atomic(memory, finish),
    release: atomic(memory, release),
    becomeReady: atomic(memory, becomeReady),
    openIntent: atomic(memory, openIntent),
  };
}

/** An open step that nobody has begun may be claimed by anybody; one being done only after its claim's time. */
const UNBEGUN: readonly MachineState[] = ['leased', 'ready', 'released', 'parked', 'quarantined'];

function claim({ tables }: Memory, act: Parameters<MachineActs['claim']>[0]): Answer {
  const old = tables.machines.get(act.machine);
  if (old === undefined || !isClaimable(old, act)) return { granted: false, machine: old };
  const next = nextState(old, act.step);
  const moves = next !== old.state;
  const machine: MachineRow = {
    ...old,
    state: next,
    token: old.token + 1,
    claimedUntil: act.until,
    claimedBy: act.by,
    stateSince: moves ? act.now : old.stateSince,
    deadlineAt: moves ? dueAt(act.now, act.deadlines, next) : old.deadlineAt,
    changedBy: act.by,
    changedAt: act.now,
  };
  tables.machines.put(machine);
  // Deleting condemns the machine's instance in the same write: nothing else is ever deleted.
  if (next === 'deleting') {
    for (const each of tables.instances.where((row) => row.machine === old.id && row.condemnedAt === null)) {
      tables.instances.put({ ...each, condemnedAt: act.now, changedBy: act.by, changedAt: act.now });
    }
  }
  return { granted: true, machine };
}

function isClaimable(old: MachineRow, act: { step: Step; now: Date }): boolean {
  if (old.owed !== act.step || old.batch !== null) return false;
  // A machine that boots waits for its probe, which needs no claim, unless it must be started first.
  if (act.step === 'provision' && old.state === 'booting' && !old.halted) return false;
  return UNBEGUN.includes(old.state) || isFree(old.claimedUntil, act.now);
}

function nextState(old: MachineRow, step: Step): MachineState {
  if (step === 'stop') return 'stopping';
  if (step === 'delete') return 'deleting';
  if (old.state === 'released') return 'resetting';
  if (old.state === 'parked') return old.clean ? 'booting' : 'resetting';
  return old.state;
}

function finish({ tables }: Memory, act: Parameters<MachineActs['finish']>[0]): Answer {
  const old = tables.machines.get(act.machine);
  if (old === undefined || !isFinishable(old, act) || keepsPlace(tables, old)) {
    return { granted: false, machine: old };
  }
  const next = act.step === 'stop' ? 'stopped' : 'deleted';
  const machine: MachineRow = {
    ...settled(old, act, next),
    ...(next === 'deleted' && { intent: null, intentKind: null }),
  };
  tables.machines.put(machine);
  if (next === 'deleted') closeIntent(tables, old.intent, { now: act.now, why: 'done' });
  wakeFlow(tables, { step: act.step, intent: old.intent, by: act.by, now: act.now });
  return { granted: true, machine };
}

function isFinishable(old: MachineRow, act: { step: Step; token: number }): boolean {
  if (old.token !== act.token || old.batch !== null) return false;
  if (act.step === 'stop') return old.state === 'stopping';
  return old.state === 'deleting' && old.instance === null;
}

/**
 * A machine given up while its launch is still under way keeps its place until that is over: what the launch may yet
 * make for it counts against the pool's limit.
 */
function keepsPlace(tables: Tables, old: MachineRow): boolean {
  if (old.state !== 'deleting') return false;
  return tables.members
    .where((member) => member.machine === old.id && member.state === 'given-up')
    .map((member) => tables.batches.get(member.batch))
    .some((batch) => batch?.verb === 'launch' && batch.endedAt === null);
}

function becomeReady({ tables }: Memory, act: Act & { token: number }): Answer {
  const old = tables.machines.get(act.machine);
  if (old === undefined || old.token !== act.token || !awaitsReady(old))
    return { granted: false, machine: old };
  const machine: MachineRow = { ...settled(old, act, 'ready'), intent: null, intentKind: null };
  tables.machines.put(machine);
  closeIntent(tables, old.intent, { now: act.now, why: 'done' });
  wakeFlow(tables, { step: 'provision', intent: old.intent, by: act.by, now: act.now });
  return { granted: true, machine };
}

function awaitsReady(old: MachineRow): boolean {
  const isComing = old.intentKind === 'provision' || old.intentKind === 'recycle';
  return old.state === 'booting' && old.batch === null && old.clean && !old.halted && isComing;
}
