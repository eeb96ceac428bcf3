import type { Agenda } from './agenda.ts';
import { notActive, operationNotAllowed } from './arm-error.ts';
import type { ArmCall, ReadHandler } from './arm-call.ts';
import { param } from './arm-call.ts';
import type { InstanceEffects } from './instance-effects.ts';
import type { Pace } from './pace.ts';
import { evictionPolicy, isSpot } from './scale-set-model.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import type { Instance } from './scale-set.ts';

export interface Evictions {
  /** VirtualMachineScaleSetVMs_SimulateEviction: spot machines only. */
  simulate: ReadHandler;
  /**
   * The platform takes a machine away, spot or not: as the set's policy says, or (`vanish`) so that it is gone whatever
   * the policy. At once, without notice. False where there is no such instance.
   */
  evict(key: string, mode: 'evict' | 'vanish'): boolean;
}

export function createEvictions(deps: {
  agenda: Agenda;
  store: ScaleSetStore;
  effects: InstanceEffects;
  pace: Pace;
}): Evictions {
  const { agenda, store, effects, pace } = deps;
  const evict = (instance: Instance, given: { mode: 'evict' | 'vanish'; requestId?: string }): void => {
    if (instance.gone) return;
    const { model } = instance.set;
    effects.evicted(instance, given.requestId);
    // A machine that is not spot has no policy: losing it is a failed host, and it is gone.
    const isKept = given.mode === 'evict' && isSpot(model) && evictionPolicy(model) === 'Deallocate';
    if (isKept) effects.stopped(instance, 'deallocated', given.requestId);
    else effects.deleted(instance, given.requestId);
  };
  return {
    simulate(call: ArmCall) {
      const instance = store.need(param(call, 'set')).instances.get(param(call, 'instance'));
      if (instance === undefined) throw notActive(param(call, 'instance'));
      if (!isSpot(instance.set.model)) {
        throw operationNotAllowed('SimulateEviction is allowed for Azure Spot virtual machines only.');
      }
      agenda.after(pace('evict'), () => evict(instance, { mode: 'evict', requestId: call.requestId }));
      return { status: 204 };
    },
    evict(key, mode) {
      const instance = store.instances().find((each) => each.key === key.toLowerCase());
      if (instance === undefined) return false;
      evict(instance, { mode });
      return true;
    },
  };
}
