import type { Step } from '../../fleet/lifecycle.ts';
import type { Act, Answer, MachineActs } from '../../fleet/store.ts';
import { wakeFlow } from './bells.ts';
import { claim, isClaimable } from './claim.ts';
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

function finish({ tables }: Memory, act: Parameters<MachineActs['finish']>[0]): Answer {
  const old = tables.machines.get(act.machine);
  if (old === undefined || !isFinishable(old, act) || keepsPlace(tables, old)) {
    return { granted: false, machine: old };
  }
  const next = act.step === 'stop' ? 'stopped' : 'deleted';
  const machine: MachineRow = {
    ...settled(old, act, next),
    ...(act.token === null && { token: old.token + 1 }),
    ...(next === 'deleted' && { intent: null, intentKind: null }),
  };
  tables.machines.put(machine);
  if (next === 'deleted') closeIntent(tables, old.intent, { now: act.now, why: 'done' });
  wakeFlow(tables, { step: act.step, intent: old.intent, by: act.by, now: act.now });
  return { granted: true, machine };
}

function isFinishable(old: MachineRow, act: { step: Step; token: number | null; now: Date }): boolean {
  if (act.token === null) return isPassable(old, act);
  if (old.token !== act.token || old.batch !== null) return false;
  if (act.step === 'stop') return old.state === 'stopping';
  return old.state === 'deleting' && old.instance === null;
}

/** A stop that asks for nothing is claimed and ended in one write. */
function isPassable(old: MachineRow, act: { step: Step; now: Date }): boolean {
  const isHeld = old.state === 'leased' || old.state === 'stopping';
  return act.step === 'stop' && isHeld && old.intentKind !== 'park' && isClaimable(old, act);
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
