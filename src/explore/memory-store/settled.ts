import type { MachineState } from '../../fleet/lifecycle.ts';
import type { Act } from '../../fleet/store.ts';
import { dueAt } from './due.ts';
import type { MachineRow } from './rows.ts';

/** The row of a machine whose step is over: nobody's claim, no failures, a new state with its own deadline. */
export function settled(old: MachineRow, act: Act, next: MachineState): MachineRow {
  return {
    ...old,
    state: next,
    claimedUntil: null,
    claimedBy: null,
    stateSince: act.now,
    deadlineAt: dueAt(act.now, act.deadlines, next),
    failures: 0,
    failure: null,
    ring: 0,
    changedBy: act.by,
    changedAt: act.now,
  };
}
