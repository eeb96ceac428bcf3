import { ArmError, invalidContent } from './arm-error.ts';
import { countAt, merged, objectAt, stringAt } from './arm-body.ts';
import type { JsonObject } from './arm-body.ts';
import type { ArmCall, WriteHandler } from './arm-call.ts';
import { flag, param } from './arm-call.ts';
import type { ArmSettings, InitialScaleSet } from './arm-options.ts';
import type { AsyncOperation } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';
import type { InstanceEffects } from './instance-effects.ts';
import { refuseWhileDeleting } from './instance-targets.ts';
import { machineSize } from './machine-sizes.ts';
import type { MachineSize } from './machine-sizes.ts';
import type { Pace } from './pace.ts';
import { unaskedOperation } from './scaling.ts';
import type { Scaling } from './scaling.ts';
import { checkModel, initialModel } from './scale-set-model.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import { scaleSetView } from './scale-set-view.ts';
import type { ScaleSet } from './scale-set.ts';
import type { WriteLanes } from './write-lanes.ts';

interface ScaleSetWritesDeps {
  settings: ArmSettings;
  store: ScaleSetStore;
  effects: InstanceEffects;
  operations: AsyncOperations;
  lanes: WriteLanes;
  scaling: Scaling;
  pace: Pace;
}

export interface ScaleSetWrites {
  createOrUpdate: WriteHandler;
  update: WriteHandler;
  remove: WriteHandler;
  /** Creates a set that exists from the start. */
  createInitial(set: InitialScaleSet): void;
}

/** A set as a request wants it to be. */
interface Wanted {
  model: JsonObject;
  size: MachineSize;
  tier: string;
  capacity: number;
}

export function createScaleSetWrites(deps: ScaleSetWritesDeps): ScaleSetWrites {
  const { settings, store, operations, scaling } = deps;
  return {
    createOrUpdate: (call, operation) => createOrUpdate(deps, call, operation),
    update: (call, operation) => update(deps, call, operation),
    remove: (call, operation) => remove(deps, call, operation),
    createInitial(initial) {
      const model = initialModel(initial, { location: settings.location, subnetId: store.subnetId });
      const wanted: Wanted = {
        model,
        size: machineSize(initial.vmSize),
        tier: 'Standard',
        capacity: initial.capacity ?? 0,
      };
      checkModel(model, { ...wanted, location: settings.location });
      const set = store.create(initial.name, model, wanted);
      set.capacity = wanted.capacity;
      scaling.reconcile(set, unaskedOperation(operations, set.name));
    },
  };
}

function createOrUpdate(
  deps: ScaleSetWritesDeps,
  call: ArmCall,
  operation: AsyncOperation,
): ReturnType<WriteHandler> {
  const { store, settings } = deps;
  const name = param(call, 'set');
  const present = store.find(name);
  checkEtag(call, present);
  const { sku: _, ...model } = call.body ?? {};
  const wanted: Wanted = {
    model,
    size: machineSize(stringAt(call.body, ['sku', 'name']) ?? refuseMissing('sku.name')),
    tier: stringAt(call.body, ['sku', 'tier']) ?? 'Standard',
    capacity: countAt(call.body, ['sku', 'capacity']) ?? present?.capacity ?? refuseMissing('sku.capacity'),
  };
  checkModel(wanted.model, { ...wanted, location: settings.location });
  refuseRestricted(settings, wanted.size);
  if (present !== undefined) return write(deps, { set: present, wanted, operation, scales: true });
  const set = store.create(name, model, wanted);
  try {
    return { ...write(deps, { set, wanted, operation, scales: true }), status: 201 };
  } catch (error) {
    // A refused creation leaves nothing behind.
    store.remove(set);
    throw error;
  }
}

function update(
  deps: ScaleSetWritesDeps,
  call: ArmCall,
  operation: AsyncOperation,
): ReturnType<WriteHandler> {
  const { store, settings } = deps;
  const set = store.need(param(call, 'set'));
  refuseWhileDeleting(set);
  checkEtag(call, set);
  const { sku: _, ...change } = call.body ?? {};
  objectAt(call.body, ['sku']);
  const capacity = countAt(call.body, ['sku', 'capacity']);
  const name = stringAt(call.body, ['sku', 'name']);
  const wanted: Wanted = {
    model: merged(set.model, change),
    size: name === undefined ? set.size : machineSize(name),
    tier: stringAt(call.body, ['sku', 'tier']) ?? set.tier,
    capacity: capacity ?? set.capacity,
  };
  checkModel(wanted.model, { ...wanted, location: settings.location });
  if (wanted.size !== set.size || wanted.capacity > set.capacity) refuseRestricted(settings, wanted.size);
  return write(deps, { set, wanted, operation, scales: capacity !== undefined });
}

/** Writes the model at once, with a new ETag; the machines follow in the operation. */
function write(
  deps: ScaleSetWritesDeps,
  given: { set: ScaleSet; wanted: Wanted; operation: AsyncOperation; scales: boolean },
): ReturnType<WriteHandler> {
  const { store, operations, lanes, scaling, pace } = deps;
  const { set, wanted, operation, scales } = given;
  refuseWhileDeleting(set);
  const before = { size: set.size, model: set.model };
  Object.assign(set, { size: wanted.size, model: wanted.model });
  try {
    if (scales) scaling.checkQuota(set, wanted.capacity);
  } catch (error) {
    Object.assign(set, before);
    throw error;
  }
  const isNewModel =
    JSON.stringify(before.model) !== JSON.stringify(wanted.model) || before.size !== wanted.size;
  if (isNewModel) set.modelVersion += 1;
  set.tier = wanted.tier;
  set.capacity = wanted.capacity;
  store.touch(set);
  operation.result = () => scaleSetView(set, operations);
  operation.onEnd.push(() => void (set.lastWriteFailed = operation.status === 'Failed'));
  lanes.enter(operation, () => {
    if (scales) scaling.reconcile(set, operation);
    else operations.run(operation, [], pace('modelOnly'));
  });
  return { status: 200, headers: { etag: set.etag }, body: scaleSetView(set, operations) };
}

function remove(
  deps: ScaleSetWritesDeps,
  call: ArmCall,
  operation: AsyncOperation,
): ReturnType<WriteHandler> {
  const { store, effects, operations, scaling, pace } = deps;
  const set = store.find(param(call, 'set'));
  if (set === undefined) return { status: 204 };
  refuseWhileDeleting(set);
  for (const other of operations.runningOn(set.name)) if (other !== operation) operations.abort(other);
  set.deleting = true;
  const share = flag(call, 'forceDeletion') ? 0.4 : 1;
  const tasks = store.instances(set).map((instance) => {
    effects.marked(instance, 'Deleting');
    return scaling.deletion(instance, { delayMs: pace('deleteInstances') * share, operation });
  });
  operation.onEnd.push(() => {
    set.deleting = false;
    if (operation.status === 'Succeeded') store.remove(set);
    else set.lastWriteFailed = true;
  });
  operations.run(operation, tasks, pace('modelOnly'));
  return { status: 202 };
}

function checkEtag(call: ArmCall, set: ScaleSet | undefined): void {
  const { ifMatch, ifNoneMatch } = call;
  const isWrong = ifMatch !== undefined && (set === undefined || (ifMatch !== '*' && ifMatch !== set.etag));
  const isTaken =
    ifNoneMatch !== undefined && set !== undefined && (ifNoneMatch === '*' || ifNoneMatch === set.etag);
  if (!isWrong && !isTaken) return;
  throw new ArmError(412, 'PreconditionFailed', {
    message: 'The condition in the If-Match or If-None-Match header was not met: read the resource again.',
  });
}

function refuseRestricted(settings: ArmSettings, size: MachineSize): void {
  if (!settings.restrictedSizes.some((each) => each.toLowerCase() === size.name.toLowerCase())) return;
  throw new ArmError(409, 'SkuNotAvailable', {
    message: `The requested VM size '${size.name}' is currently not available in location '${settings.location}'. Please try another size or deploy to a different location.`,
  });
}

function refuseMissing(field: string): never {
  throw invalidContent(`${field} is required`);
}
