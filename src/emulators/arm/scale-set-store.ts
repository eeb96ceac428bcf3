import { randomUUID } from 'node:crypto';

import type { ScaledClock } from '../scaled-clock.ts';
import { ArmError } from './arm-error.ts';
import { stringsAt } from './arm-body.ts';
import type { JsonObject } from './arm-body.ts';
import type { Addresses } from './addresses.ts';
import type { ArmSettings } from './arm-options.ts';
import type { MachineSize } from './machine-sizes.ts';
import type { Instance, ScaleSet } from './scale-set.ts';

/** Everything that exists in the emulated resource group. */
export interface ScaleSetStore {
  /** The set of that name in any case, or undefined. */
  find(name: string): ScaleSet | undefined;
  /** The same, or the vendor's 404. */
  need(name: string): ScaleSet;
  all(): readonly ScaleSet[];
  create(name: string, model: JsonObject, sku: { size: MachineSize; tier: string }): ScaleSet;
  remove(set: ScaleSet): void;
  /** Every instance that is not gone, of one set or of all. */
  instances(set?: ScaleSet): Instance[];
  addInstance(set: ScaleSet, kind: { extra: boolean; hiddenUntilMs: number }): Instance;
  removeInstance(instance: Instance): void;
  /** Gives a set or an instance a new ETag: to be called with every write. */
  touch(item: { etag: string }): void;
  subnetId: string;
}

export function createScaleSetStore(deps: {
  clock: ScaledClock;
  settings: ArmSettings;
  addresses: Addresses;
}): ScaleSetStore {
  const { clock, settings, addresses } = deps;
  const sets = new Map<string, ScaleSet>();
  const group = `/subscriptions/${settings.subscriptionId}/resourceGroups/${settings.resourceGroup}`;
  let writes = 0;
  const nextEtag = (): string => `"${(writes += 1).toString(16).padStart(8, '0')}"`;
  const find = (name: string): ScaleSet | undefined => sets.get(name.toLowerCase());
  return {
    subnetId: `${group}/providers/Microsoft.Network/virtualNetworks/drover/subnets/machines`,
    find,
    need: (name) => find(name) ?? refuseUnknown(name, settings.resourceGroup),
    all: () => [...sets.values()],
    create(name, model, sku) {
      const set = createSet({ name, model, ...sku }, { group, etag: nextEtag(), createdMs: clock.realMs() });
      sets.set(name.toLowerCase(), set);
      return set;
    },
    remove: (set) => void sets.delete(set.name.toLowerCase()),
    instances: (set) =>
      (set === undefined ? [...sets.values()] : [set]).flatMap((each) => [...each.instances.values()]),
    addInstance(set, kind) {
      const instance = createInstance(
        set,
        { ...kind, address: addresses.take(), etag: nextEtag() },
        clock.realMs(),
      );
      set.instances.set(instance.id, instance);
      return instance;
    },
    removeInstance(instance) {
      instance.gone = true;
      instance.set.instances.delete(instance.id);
      addresses.release(instance.address);
    },
    touch: (item) => void (item.etag = nextEtag()),
  };
}

/** The resource id as the vendor answers it: with the resource group in upper case, unlike the set's own id. */
export function instanceResourceId(instance: Instance): string {
  const setId = instance.set.resourceId.replace(
    /\/resourceGroups\/[^/]+/,
    (part) => `/resourceGroups/${(part.split('/')[2] ?? '').toUpperCase()}`,
  );
  return `${setId}/virtualMachines/${instance.id}`;
}

function createSet(
  given: { name: string; model: JsonObject; size: MachineSize; tier: string },
  at: { group: string; etag: string; createdMs: number },
): ScaleSet {
  return {
    ...given,
    resourceId: `${at.group}/providers/Microsoft.Compute/virtualMachineScaleSets/${given.name}`,
    uniqueId: randomUUID(),
    createdMs: at.createdMs,
    modelVersion: 1,
    capacity: 0,
    etag: at.etag,
    lastWriteFailed: false,
    deleting: false,
    instances: new Map(),
    nextInstanceId: 0,
  };
}

function createInstance(
  set: ScaleSet,
  given: { extra: boolean; hiddenUntilMs: number; address: string; etag: string },
  createdMs: number,
): Instance {
  const number = set.nextInstanceId;
  set.nextInstanceId += 1;
  const zones = stringsAt(set.model, ['zones']) ?? [];
  return {
    ...given,
    id: String(number),
    set,
    key: `${set.resourceId}/virtualmachines/${number}`.toLowerCase(),
    vmId: randomUUID(),
    zone: zones.length === 0 ? undefined : zones[number % zones.length],
    size: set.size,
    modelVersion: set.modelVersion,
    createdMs,
    provisioningState: 'Creating',
    power: 'creating',
    boots: 0,
    counted: !given.extra,
    gone: false,
  };
}

function refuseUnknown(name: string, group: string): never {
  throw new ArmError(404, 'ResourceNotFound', {
    message: `The Resource 'Microsoft.Compute/virtualMachineScaleSets/${name}' under resource group '${group}' was not found.`,
  });
}
