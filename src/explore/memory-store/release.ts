import type { MachineState } from '../../fleet/lifecycle.ts';
import type { Act, Answer } from '../../fleet/store.ts';
import { wakeFlow } from './bells.ts';
import { dueAt } from './due.ts';
import { settled } from './machine-acts.ts';
import type { Memory } from './memory.ts';
import { closeIntent } from './open-intent.ts';
import type { MachineRow } from './rows.ts';

/** The release transaction: lease ended, machine released and, by its intent, parked or quarantined. */
export function release({ tables }: Memory, act: Act): Answer {
  const old = tables.machines.get(act.machine);
  const kind = old?.intentKind ?? null;
  if (old?.state !== 'stopped' || kind === null || kind === 'provision')
    return { granted: false, machine: old };
  const lease = old.lease === null ? undefined : tables.leases.get(old.lease);
  if (lease?.state === 'ending' && lease.outcome !== null) {
    const ended = { endedAt: act.now, deadlineAt: null, changedAt: act.now };
    tables.leases.put({ ...lease, ...ended, state: lease.outcome });
  }
  const released: MachineRow = { ...settled(old, act, 'released'), lease: null };
  tables.machines.put(released);
  wakeFlow(tables, { step: 'release', intent: old.intent, by: act.by, now: act.now });
  if (kind === 'recycle' || kind === 'retire') return { granted: true, machine: released };
  const next: MachineState = kind === 'park' ? 'parked' : 'quarantined';
  const machine: MachineRow = {
    ...released,
    state: next,
    deadlineAt: dueAt(act.now, act.deadlines, next),
    // A park is done where the machine is parked; a quarantine stays open until it becomes a retire.
    ...(next === 'parked' && { intent: null, intentKind: null }),
  };
  tables.machines.put(machine);
  if (next === 'parked') closeIntent(tables, old.intent, { now: act.now, why: 'done' });
  return { granted: true, machine };
}
