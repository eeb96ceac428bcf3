import { ArmError, notActive, operationNotAllowed } from './arm-error.ts';
import { stringsAt } from './arm-body.ts';
import type { ArmCall } from './arm-call.ts';
import { param } from './arm-call.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import type { Instance, ScaleSet } from './scale-set.ts';

interface Targets {
  set: ScaleSet;
  instances: Instance[];
  /** True where the request named none, which means every instance of the set. */
  isAll: boolean;
}

/** The instances that a scale set's action is about. Refuses ids that are not of this set. */
export function targetsOf(store: ScaleSetStore, call: ArmCall): Targets {
  const set = store.need(param(call, 'set'));
  const ids = stringsAt(call.body, ['instanceIds']) ?? [];
  // The danger that the vendor documents: no ids, all machines.
  if (ids.length === 0) return { set, instances: store.instances(set), isAll: true };
  const instances = [...new Set(ids)].map((id) => {
    const instance = set.instances.get(id);
    if (instance === undefined) throw notActive(id);
    return instance;
  });
  return { set, instances, isAll: false };
}

/** The full lower-case resource ids that a request names, for the log and for faults; unknown ones too. */
export function namedInstances(store: ScaleSetStore, call: ArmCall): string[] {
  const set = store.find(call.params['set'] ?? '');
  if (set === undefined) return [];
  const single = call.params['instance'];
  const body = call.body?.['instanceIds'];
  const listed = Array.isArray(body) ? body.filter((id) => typeof id === 'string') : [];
  const ids = single === undefined ? listed : [single];
  return [...new Set(ids)].map((id) => `${set.resourceId}/virtualmachines/${id}`.toLowerCase());
}

/** Where a set is being deleted, nothing else may be begun on it. */
export function refuseWhileDeleting(set: ScaleSet): void {
  if (!set.deleting) return;
  throw new ArmError(409, 'Conflict', {
    message: `The request failed due to conflict with a concurrent request: scale set '${set.name}' is being deleted.`,
  });
}

export function refuseMarkedForDeletion(instance: Instance, action: string): void {
  if (instance.provisioningState !== 'Deleting') return;
  throw operationNotAllowed(
    `Operation '${action}' is not allowed on VM '${instance.set.name}_${instance.id}' since the VM is marked for deletion. ` +
      'You can only retry the Delete operation (or wait for an ongoing one to complete).',
  );
}
