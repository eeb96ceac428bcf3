import { ArmError, operationNotAllowed } from './arm-error.ts';
import type { ArmCall, WriteHandler } from './arm-call.ts';
import { flag } from './arm-call.ts';
import type { AsyncOperation, Task } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';
import type { InstanceEffects } from './instance-effects.ts';
import { refuseMarkedForDeletion, refuseWhileDeleting, targetsOf } from './instance-targets.ts';
import type { Pace } from './pace.ts';
import type { Scaling } from './scaling.ts';
import { hasEphemeralOsDisk } from './scale-set-model.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import type { Instance } from './scale-set.ts';
import type { WriteLanes } from './write-lanes.ts';

interface InstanceActionsDeps {
  store: ScaleSetStore;
  effects: InstanceEffects;
  operations: AsyncOperations;
  lanes: WriteLanes;
  scaling: Scaling;
  pace: Pace;
}

export interface InstanceActions {
  deleteInstances: WriteHandler;
  reimage: WriteHandler;
  start: WriteHandler;
  powerOff: WriteHandler;
  deallocate: WriteHandler;
  restart: WriteHandler;
}

/** What an action does to each of its instances; deletion apart, which changes the set as well. */
interface Action {
  /** As the vendor's messages name it. */
  name: string;
  delayMs(call: ArmCall): number;
  check(instance: Instance): void;
  /** The state in between. */
  power?: Instance['power'];
  effect(instance: Instance, operation: AsyncOperation): void;
  /** Whether it takes part in preemption. */
  preempts: boolean;
}

export function createInstanceActions(deps: InstanceActionsDeps): InstanceActions {
  const { effects, pace } = deps;
  const handler = (action: Action): WriteHandler => actionHandler(deps, action);
  return {
    deleteInstances: (call, operation) => deleteInstances(deps, call, operation),
    reimage: handler({
      name: 'reimage',
      preempts: true,
      check: refuseUnfinishedDisk,
      delayMs: () => pace('reimage'),
      effect: (instance, { requestId }) => effects.reset(instance, requestId),
    }),
    ...powerActions(deps, handler),
  };
}

function powerActions(
  { effects, pace }: InstanceActionsDeps,
  handler: (action: Action) => WriteHandler,
): Pick<InstanceActions, 'start' | 'powerOff' | 'deallocate' | 'restart'> {
  return {
    start: handler({
      name: 'start',
      preempts: false,
      check: () => undefined,
      delayMs: () => pace('start'),
      effect: (instance, { requestId }) => {
        if (instance.power === 'running') effects.marked(instance, 'Succeeded');
        else effects.started(instance, requestId);
      },
    }),
    powerOff: handler({
      name: 'powerOff',
      preempts: false,
      power: 'stopping',
      check: () => undefined,
      delayMs: (call) => pace('powerOff') * (flag(call, 'skipShutdown') ? 0.4 : 1),
      effect: (instance, { requestId }) => effects.stopped(instance, 'stopped', requestId),
    }),
    deallocate: handler({
      name: 'deallocate',
      preempts: false,
      power: 'deallocating',
      check: refuseEphemeral,
      delayMs: () => pace('deallocate'),
      effect: (instance, { requestId }) => effects.stopped(instance, 'deallocated', requestId),
    }),
    restart: handler({
      name: 'restart',
      preempts: false,
      check: () => undefined,
      delayMs: () => pace('restart'),
      effect: (instance, { requestId }) => {
        effects.stopped(instance, 'stopped', requestId);
        effects.started(instance, requestId);
      },
    }),
  };
}

function actionHandler(deps: InstanceActionsDeps, action: Action): WriteHandler {
  const { store, effects, operations, lanes, pace } = deps;
  return (call, operation) => {
    const { set, instances, isAll } = targetsOf(store, call);
    refuseWhileDeleting(set);
    // "All" means all that can: naming a machine that cannot is an error, being among all is not.
    const able = instances.filter((instance) => !isAll || isSettled(instance));
    for (const instance of able) {
      refuseMarkedForDeletion(instance, action.name);
      action.check(instance);
      refuseUnsettled(instance, action.name);
    }
    const begin = (): void => {
      const tasks = able.map((instance) => actionTask(effects, { action, instance, operation, call }));
      operations.run(operation, tasks, pace('modelOnly'));
    };
    if (action.preempts) lanes.enter(operation, begin);
    else begin();
    return { status: 202 };
  };
}

function actionTask(
  effects: InstanceEffects,
  given: { action: Action; instance: Instance; operation: AsyncOperation; call: ArmCall },
): Task {
  const { action, instance, operation } = given;
  const before = instance.power;
  if (!instance.gone && instance.provisioningState !== 'Deleting')
    effects.marked(instance, 'Updating', action.power);
  const isOpen = (): boolean => !instance.gone && instance.provisioningState !== 'Deleting';
  return {
    delayMs: action.delayMs(given.call),
    mayBeLost: true,
    effect() {
      if (isOpen()) action.effect(instance, operation);
    },
    abandon(why) {
      if (isOpen()) effects.marked(instance, why === 'failed' ? 'Failed' : 'Succeeded', before);
    },
  };
}

function deleteInstances(
  deps: InstanceActionsDeps,
  call: ArmCall,
  operation: AsyncOperation,
): ReturnType<WriteHandler> {
  const { store, effects, operations, lanes, scaling, pace } = deps;
  const { set, instances } = targetsOf(store, call);
  refuseWhileDeleting(set);
  // The capacity drops, and the ETag changes, with the request: not when the machines are gone.
  store.touch(set);
  for (const instance of instances) {
    effects.counted(instance, false);
    effects.marked(instance, 'Deleting');
  }
  lanes.enter(operation, () => {
    const tasks = instances.map((instance) =>
      scaling.deletion(instance, {
        delayMs: pace('deleteInstances') * (flag(call, 'forceDeletion') ? 0.4 : 1),
        operation,
      }),
    );
    operations.run(operation, tasks, pace('modelOnly'));
  });
  return { status: 202 };
}

function isSettled(instance: Instance): boolean {
  return instance.provisioningState !== 'Deleting' && instance.power !== 'creating';
}

function refuseUnsettled(instance: Instance, action: string): void {
  if (instance.power !== 'creating') return;
  throw operationNotAllowed(
    `Operation '${action}' is not allowed on VM '${instance.set.name}_${instance.id}' since it is still being created.`,
  );
}

function refuseUnfinishedDisk(instance: Instance): void {
  if (instance.power !== 'creating' || !hasEphemeralOsDisk(instance.set.model)) return;
  throw new ArmError(400, 'BadRequest', {
    message: `The creation of VM '${instance.set.name}_${instance.id}' with ephemeral disk is not complete. Please trigger a restart if required.`,
  });
}

function refuseEphemeral(instance: Instance): void {
  if (!hasEphemeralOsDisk(instance.set.model)) return;
  throw operationNotAllowed(
    `Stop-deallocate is not supported for VM '${instance.set.name}_${instance.id}' using ephemeral OS disk.`,
  );
}
