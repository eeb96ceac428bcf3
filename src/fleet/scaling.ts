import type { IntentKind, MachineState } from './lifecycle.ts';
import type { PoolView, Resting } from './store.ts';

export type ScalingAction =
  | { kind: 'provision'; placement: string; count: number }
  | { kind: 'unpark'; machine: string; token: number }
  | { kind: 'retire'; machine: string; token: number; reason: string };

/** Machines that come to ready by themselves once their open intent goes on: their intent and state. */
export const COMING = {
  intents: ['provision', 'recycle'],
  states: [
    'requested',
    'provisioning',
    'booting',
    'resetting',
    'parked',
    'released',
    'stopped',
    'stopping',
    'leased',
  ],
} as const satisfies { intents: readonly IntentKind[]; states: readonly MachineState[] };

/**
 * What a pool should do now. Machines on their way to ready count as supply, so that one burst is answered once;
 * what is retired has been idle longer than the pool allows and nobody waits for it.
 */
export function planScaling(view: PoolView, now: Date): readonly ScalingAction[] {
  if (view.pool.draining) return [...retireIdle(view, 0, () => true), ...retireParked(view)];
  const ready = view.resting.filter(isIdle).length;
  const missing = view.pending + view.pool.minIdle - ready - view.coming;
  if (missing > 0) return grow(view, missing, now);
  const idleSince = now.getTime() - view.pool.idleTimeoutMs;
  const spare = Math.max(0, ready - view.pending - view.pool.minIdle);
  return retireIdle(view, ready - spare, (machine) => machine.stateSince.getTime() <= idleSince);
}

function isIdle(machine: Resting): boolean {
  return machine.state === 'ready';
}

function isParked(machine: Resting): boolean {
  return machine.state === 'parked';
}

function grow(view: PoolView, missing: number, now: Date): readonly ScalingAction[] {
  const woken = view.resting
    .filter(isParked)
    .slice(0, missing)
    .map((machine): ScalingAction => ({ kind: 'unpark', machine: machine.id, token: machine.token }));
  const room = view.pool.max - view.machines - view.unowned;
  const count = view.hoursReached ? 0 : Math.min(missing - woken.length, room);
  const placement = view.pool.placements.find(
    (each) => (view.coolUntil[each.name]?.getTime() ?? 0) <= now.getTime(),
  );
  if (count <= 0 || placement === undefined) return woken;
  return [...woken, { kind: 'provision', placement: placement.name, count }];
}

/** The longest idle go first; `keep` of them stay. */
function retireIdle(
  view: PoolView,
  keep: number,
  isOld: (machine: Resting) => boolean,
): readonly ScalingAction[] {
  const idle = view.resting.filter(isIdle);
  return idle
    .slice(0, Math.max(0, idle.length - keep))
    .filter(isOld)
    .map((machine) => toRetire(view, machine));
}

function retireParked(view: PoolView): readonly ScalingAction[] {
  return view.resting.filter(isParked).map((machine) => toRetire(view, machine));
}

function toRetire(view: PoolView, machine: Resting): ScalingAction {
  const reason = view.pool.draining ? 'pool drained' : 'idle';
  return { kind: 'retire', machine: machine.id, token: machine.token, reason };
}
