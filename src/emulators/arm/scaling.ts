import { randomUUID } from 'node:crypto';

import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Agenda } from './agenda.ts';
import type { ArmSettings } from './arm-options.ts';
import type { AsyncOperation, Task } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';
import type { InstanceEffects } from './instance-effects.ts';
import type { Pace } from './pace.ts';
import type { Quotas } from './quota.ts';
import { isOverprovisioned, isSpot } from './scale-set-model.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import type { Instance, ScaleSet } from './scale-set.ts';

interface ScalingDeps {
  clock: ScaledClock;
  agenda: Agenda;
  randomness: Randomness;
  settings: ArmSettings;
  store: ScaleSetStore;
  effects: InstanceEffects;
  operations: AsyncOperations;
  quotas: Quotas;
  pace: Pace;
}

export interface Scaling {
  /** Brings the number of instances to the set's capacity: launches, or deletes those the platform picks. */
  reconcile(set: ScaleSet, operation: AsyncOperation): void;
  /** Throws the quota's refusal where the set could not grow to its capacity. */
  checkQuota(set: ScaleSet, capacity: number): void;
  /** The task that deletes one instance. */
  deletion(instance: Instance, given: { delayMs: number; operation: AsyncOperation }): Task;
}

/** Codes that mean: there is no machine. With any other code the machines exist, some of them broken. */
const CAPACITY_CODES = new Set([
  'AllocationFailed',
  'ZonalAllocationFailed',
  'OverconstrainedAllocationRequest',
  'OverconstrainedZonalAllocationRequest',
  'SkuNotAvailable',
  'OperationNotAllowed',
  'QuotaExceeded',
]);

export function createScaling(deps: ScalingDeps): Scaling {
  const { store, operations, quotas, pace } = deps;
  const existing = (set: ScaleSet): Instance[] => store.instances(set).filter((each) => each.counted);
  const deletion: Scaling['deletion'] = (instance, given) => deletionTask(deps, instance, given);
  const shrink = (set: ScaleSet, surplus: number, operation: AsyncOperation): void => {
    const victims = existing(set)
      .toSorted((one, other) => Number(other.id) - Number(one.id))
      .slice(0, surplus);
    const tasks = victims.map((instance) => {
      deps.effects.marked(instance, 'Deleting');
      // The capacity that was asked for already leaves it out.
      instance.counted = false;
      return deletion(instance, { delayMs: pace('deleteInstances'), operation });
    });
    operations.run(operation, tasks, pace('modelOnly'));
  };
  return {
    reconcile(set, operation) {
      const missing = set.capacity - existing(set).length;
      if (missing >= 0) grow(deps, { set, missing, operation });
      else shrink(set, -missing, operation);
    },
    checkQuota(set, capacity) {
      quotas.check({ size: set.size, count: capacity - existing(set).length, spot: isSpot(set.model) });
    },
    deletion,
  };
}

function grow(deps: ScalingDeps, plan: { set: ScaleSet; missing: number; operation: AsyncOperation }): void {
  const { operations, pace } = deps;
  const { set, operation } = plan;
  const count = allocated(deps, plan);
  const delaysMs = Array.from({ length: count }, () => pace('scaleOut'));
  const lastMs = Math.max(0, ...delaysMs);
  const tasks = delaysMs.map(
    (delayMs) => launch(deps, { set, operation, delayMs, lastMs, extra: false }).task,
  );
  if (isOverprovisioned(set)) overprovision(deps, { set, operation, count, lastMs });
  if (operation.sabotaged && tasks.length > 0 && operation.failure !== undefined) {
    // Allocation failures left fewer machines already; what exists then is sound.
    operation.sabotaged = !CAPACITY_CODES.has(operation.failure.code);
  }
  operations.run(operation, tasks, pace('modelOnly'));
}

/** How many of the missing instances the platform finds room for; where it is too few, the operation will fail. */
function allocated(
  { store, settings, randomness }: ScalingDeps,
  { set, missing, operation }: { set: ScaleSet; missing: number; operation: AsyncOperation },
): number {
  if (operation.failure !== undefined && CAPACITY_CODES.has(operation.failure.code)) {
    return missing === 0 ? 0 : randomness.between(0, missing - 1);
  }
  const stock = settings.stock[set.size.name] ?? Number.POSITIVE_INFINITY;
  const inUse = store.instances().filter((each) => each.size === set.size && !each.extra).length;
  const count = Math.max(0, Math.min(missing, stock - inUse));
  if (count < missing) {
    operation.failure = {
      code: 'AllocationFailed',
      message:
        'Allocation failed. We do not have sufficient capacity for the requested VM size in this region. ' +
        'Read more about improving likelihood of allocation success at https://aka.ms/allocation-guidance',
    };
  }
  return count;
}

function launch(
  { clock, settings, randomness, store, effects }: ScalingDeps,
  plan: { set: ScaleSet; operation: AsyncOperation; delayMs: number; lastMs: number; extra: boolean },
): { instance: Instance; task: Task } {
  const isLate = randomness.next() < settings.listLag.share;
  const hiddenUntilMs = isLate ? clock.cloudMs() + plan.lastMs + settings.listLag.ms : 0;
  const instance = store.addInstance(plan.set, { extra: plan.extra, hiddenUntilMs });
  effects.launched(instance, plan.operation.requestId);
  const isCreating = (): boolean => !instance.gone && instance.provisioningState === 'Creating';
  const task: Task = {
    delayMs: plan.delayMs,
    mayBeLost: false,
    effect() {
      if (isCreating()) effects.running(instance, plan.operation.requestId);
    },
    abandon() {
      if (isCreating()) effects.marked(instance, 'Failed');
    },
  };
  return { instance, task };
}

/** A fifth more than was asked for, at least one; they run for a while and are deleted when the others do. */
function overprovision(
  deps: ScalingDeps,
  plan: { set: ScaleSet; operation: AsyncOperation; count: number; lastMs: number },
): void {
  const extras = plan.count === 0 ? 0 : Math.ceil(plan.count / 5);
  for (let number = 0; number < extras; number += 1) {
    const runningMs = deps.pace('scaleOut') * 0.9;
    const extra = launch(deps, { ...plan, delayMs: runningMs, extra: true });
    deps.agenda.after(runningMs, () => extra.task.effect());
    deps.agenda.after(plan.lastMs + deps.pace('modelOnly'), () => {
      if (!extra.instance.gone) deps.effects.deleted(extra.instance, plan.operation.requestId);
    });
  }
}

function deletionTask(
  { effects }: ScalingDeps,
  instance: Instance,
  { delayMs, operation }: { delayMs: number; operation: AsyncOperation },
): Task {
  return {
    delayMs,
    mayBeLost: true,
    effect() {
      if (!instance.gone) effects.deleted(instance, operation.requestId);
    },
    abandon(why) {
      if (instance.gone) return;
      effects.counted(instance, true);
      const broken = why === 'failed' || instance.power === 'creating';
      effects.marked(instance, broken ? 'Failed' : 'Succeeded');
    },
  };
}

/** The stand-in operation of the machines that exist from the start: nobody asked for them. */
export function unaskedOperation(operations: AsyncOperations, set: string): AsyncOperation {
  return operations.open({ name: 'Initial', requestId: randomUUID(), set });
}
