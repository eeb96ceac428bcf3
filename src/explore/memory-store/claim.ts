import type { MachineState, Step } from '../../fleet/lifecycle.ts';
import type { Act, Answer } from '../../fleet/store.ts';
import { dueAt, isFree } from './due.ts';
import type { Memory } from './memory.ts';
import type { MachineRow } from './rows.ts';
import type { Tables } from './tables.ts';

type ClaimAct = Act & { step: Step; until: Date };

/** An open step that nobody has begun may be claimed by anybody; one being done only after its claim's time. */
const UNBEGUN: readonly MachineState[] = ['leased', 'ready', 'released', 'parked', 'quarantined'];

export function claim({ tables }: Memory, act: ClaimAct): Answer {
  const old = tables.machines.get(act.machine);
  if (old === undefined || !isClaimable(old, act)) return { granted: false, machine: old };
  return { granted: true, machine: putClaimed(tables, old, { ...act, batch: null }) };
}

/** Writes a claim that was seen to be allowed; with a batch, the machine joins it in the same write. */
export function putClaimed(
  tables: Tables,
  old: MachineRow,
  act: ClaimAct & { batch: string | null },
): MachineRow {
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
    batch: act.batch,
  };
  tables.machines.put(machine);
  // Deleting condemns the machine's instance in the same write: nothing else is ever deleted.
  if (next === 'deleting') {
    for (const each of tables.instances.where((row) => row.machine === old.id && row.condemnedAt === null)) {
      tables.instances.put({ ...each, condemnedAt: act.now, changedBy: act.by, changedAt: act.now });
    }
  }
  return machine;
}

export function isClaimable(old: MachineRow, act: { step: Step; now: Date }): boolean {
  if (old.owed !== act.step || old.batch !== null) return false;
  // A machine that boots waits for its probe, which needs no claim, unless it must be started first.
  if (act.step === 'provision' && old.state === 'booting' && !old.halted) return false;
  return UNBEGUN.includes(old.state) || isFree(old.claimedUntil, act.now);
}

/** The state in which a claimed step is done. */
export function nextState(old: MachineRow, step: Step): MachineState {
  if (step === 'stop') return 'stopping';
  if (step === 'delete') return 'deleting';
  if (old.state === 'released') return 'resetting';
  if (old.state === 'parked') return old.clean ? 'booting' : 'resetting';
  return old.state;
}
