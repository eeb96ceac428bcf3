import type { CallLog, EffectRecord } from '../call-log.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { GuestBoots } from './guest-boots.ts';
import type { Instance } from './scale-set.ts';
import type { ScaleSetStore } from './scale-set-store.ts';

/** Whatever becomes true of an instance: state, guest and log change in the same moment. */
export interface InstanceEffects {
  launched(instance: Instance, requestId?: string): void;
  running(instance: Instance, requestId?: string): void;
  reset(instance: Instance, requestId?: string): void;
  started(instance: Instance, requestId?: string): void;
  stopped(instance: Instance, power: 'stopped' | 'deallocated', requestId?: string): void;
  evicted(instance: Instance, requestId?: string): void;
  deleted(instance: Instance, requestId?: string): void;
  /** The transition an operation begins with: visible, but nothing has happened to the machine yet. */
  marked(
    instance: Instance,
    provisioningState: Instance['provisioningState'],
    power?: Instance['power'],
  ): void;
  /** Takes a deleted instance out of the capacity, or puts one back whose deletion did not happen. */
  counted(instance: Instance, isCounted: boolean): void;
  counters(): { launched: number; deleted: number; resets: number };
}

interface EffectsDeps {
  clock: ScaledClock;
  log: CallLog;
  store: ScaleSetStore;
  boots: GuestBoots;
}

export function createInstanceEffects(deps: EffectsDeps): InstanceEffects {
  const { boots, store } = deps;
  const counters = { launched: 0, deleted: 0, resets: 0 };
  const record = recorder(deps);
  const boot = (instance: Instance): void => {
    settle(store, instance, 'running');
    boots.begin(instance);
  };
  return {
    launched(instance, requestId) {
      counters.launched += 1;
      record(instance, 'launched', requestId);
    },
    running(instance, requestId) {
      boot(instance);
      record(instance, 'running', requestId);
    },
    reset(instance, requestId) {
      counters.resets += 1;
      boots.halt(instance);
      boot(instance);
      record(instance, 'reset', requestId);
    },
    started(instance, requestId) {
      boot(instance);
      record(instance, 'started', requestId);
    },
    stopped(instance, power, requestId) {
      boots.halt(instance);
      settle(store, instance, power);
      record(instance, 'stopped', requestId);
    },
    evicted: (instance, requestId) => record(instance, 'evicted', requestId),
    deleted(instance, requestId) {
      counters.deleted += 1;
      boots.halt(instance);
      countInstance(store, instance, false);
      store.removeInstance(instance);
      record(instance, 'deleted', requestId);
    },
    marked: (instance, provisioningState, power) => mark(store, instance, { provisioningState, power }),
    counted: (instance, isCounted) => countInstance(store, instance, isCounted),
    counters: () => ({ ...counters }),
  };
}

function recorder({
  clock,
  log,
}: EffectsDeps): (instance: Instance, effect: EffectRecord['effect'], requestId: string | undefined) => void {
  return (instance, effect, requestId) => {
    const entry: EffectRecord = {
      type: 'effect',
      cloud: 'azure',
      at: clock.realMs(),
      instance: instance.key,
      effect,
    };
    log.effect(requestId === undefined ? entry : { ...entry, requestId });
  };
}

function settle(store: ScaleSetStore, instance: Instance, power: Instance['power']): void {
  mark(store, instance, { provisioningState: 'Succeeded', power });
}

function mark(
  store: ScaleSetStore,
  instance: Instance,
  state: { provisioningState: Instance['provisioningState']; power: Instance['power'] | undefined },
): void {
  instance.provisioningState = state.provisioningState;
  if (state.power !== undefined) instance.power = state.power;
  store.touch(instance);
}

function countInstance(store: ScaleSetStore, instance: Instance, isCounted: boolean): void {
  if (instance.extra || instance.counted === isCounted) return;
  instance.counted = isCounted;
  instance.set.capacity = Math.max(0, instance.set.capacity + (isCounted ? 1 : -1));
  store.touch(instance.set);
}
