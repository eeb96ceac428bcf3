import type { MachineState } from '../../fleet/lifecycle.ts';
import type { Act, Answer } from '../../fleet/store.ts';
import { wakeFlow } from './bells.ts';
import { dueAt } from './due.ts';
import type { Memory } from './memory.ts';
import { closeIntent } from './open-intent.ts';
import type { MachineRow } from './rows.ts';
import { settled } from './settled.ts';
import type { Tables } from './tables.ts';

/** The release transaction: lease ended, machine released and, by its intent, parked or quarantined. */
export function release({ tables }: Memory, act: Act): Answer {
  const old = tables.machines.get(act.machine);
  if (old?.state !== 'stopped' || old.intentKind === null || old.intentKind === 'provision') {
    return { granted: false, machine: old };
  }
  endLease(tables, old.lease, act.now);
  const released: MachineRow = { ...settled(old, act, 'released'), lease: null };
  tables.machines.put(released);
  wakeFlow(tables, { step: 'release', intent: old.intent, by: act.by, now: act.now });
  if (old.intentKind === 'recycle' || old.intentKind === 'retire')
    return { granted: true, machine: released };
  return { granted: true, machine: setAside(tables, released, act) };
}

function endLease(tables: Tables, lease: string | null, now: Date): void {
  const row = lease === null ? undefined : tables.leases.get(lease);
  if (row?.state !== 'ending' || row.outcome === null) return;
  tables.leases.put({ ...row, state: row.outcome, endedAt: now, deadlineAt: null, changedAt: now });
}

/** A park is done where the machine is parked; a quarantine stays open until it becomes a retire. */
function setAside(tables: Tables, released: MachineRow, act: Act): MachineRow {
  const isParked = released.intentKind === 'park';
  const next: MachineState = isParked ? 'parked' : 'quarantined';
  const machine: MachineRow = {
    ...released,
    state: next,
    deadlineAt: dueAt(act.now, act.deadlines, next),
    ...(isParked && { intent: null, intentKind: null }),
  };
  tables.machines.put(machine);
  if (isParked) closeIntent(tables, released.intent, { now: act.now, why: 'done' });
  return machine;
}
