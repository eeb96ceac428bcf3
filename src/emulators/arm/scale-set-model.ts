import { ArmError, invalidContent, invalidParameter } from './arm-error.ts';
import { booleanAt, objectAt, refuseUnknownFields, stringAt, stringsAt, valueAt } from './arm-body.ts';
import type { JsonObject } from './arm-body.ts';
import type { InitialScaleSet } from './arm-options.ts';
import type { MachineSize } from './machine-sizes.ts';
import type { ScaleSet } from './scale-set.ts';

export function hasEphemeralOsDisk(model: JsonObject): boolean {
  return stringAt(model, [...OS_DISK, 'diffDiskSettings', 'option']) === 'Local';
}

export function isSpot(model: JsonObject): boolean {
  return stringAt(model, [...PROFILE, 'priority']) === 'Spot';
}

export function evictionPolicy(model: JsonObject): 'Deallocate' | 'Delete' {
  return stringAt(model, [...PROFILE, 'evictionPolicy']) === 'Delete' ? 'Delete' : 'Deallocate';
}

/** The vendor overprovisions uniform sets unless it is told not to. */
export function isOverprovisioned(set: ScaleSet): boolean {
  return booleanAt(set.model, ['properties', 'overprovision']) ?? true;
}

export function networkNames(model: JsonObject): {
  card: string;
  configuration: string;
  subnetId: string | undefined;
} {
  const cards = valueAt(model, [...PROFILE, 'networkProfile', 'networkInterfaceConfigurations']);
  const card: unknown = Array.isArray(cards) ? cards[0] : undefined;
  const configurations = valueAt(card, ['properties', 'ipConfigurations']);
  const configuration: unknown = Array.isArray(configurations) ? configurations[0] : undefined;
  return {
    card: stringAt(card, ['name']) ?? 'nic',
    configuration: stringAt(configuration, ['name']) ?? 'ipconfig',
    subnetId: stringAt(configuration, ['properties', 'subnet', 'id']),
  };
}

/** Throws the vendor's refusal unless a set could be made from `model` with this size and capacity. */
export function checkModel(
  model: JsonObject,
  wanted: { size: MachineSize; capacity: number; location: string },
): void {
  checkShape(model, wanted.location);
  const ephemeral = hasEphemeralOsDisk(model);
  if (ephemeral && wanted.size.cacheGb === 0) {
    throw invalidParameter(
      `OS disk of Ephemeral VM is not supported for VM size ${wanted.size.name}.`,
      'osDisk',
    );
  }
  if (ephemeral && isSpot(model) && evictionPolicy(model) !== 'Delete') {
    throw invalidParameter(
      'A Spot set with ephemeral OS disks needs evictionPolicy Delete.',
      'evictionPolicy',
    );
  }
  const most = (booleanAt(model, ['properties', 'singlePlacementGroup']) ?? true) ? 100 : 1000;
  if (wanted.capacity > most) {
    throw invalidParameter(
      `The capacity ${wanted.capacity} exceeds the maximum of ${most} instances.`,
      'sku.capacity',
    );
  }
}

/** The model that PUT would be given for a set of the options. */
export function initialModel(
  set: InitialScaleSet,
  place: { location: string; subnetId: string },
): JsonObject {
  const osDisk: JsonObject = { createOption: 'FromImage', caching: 'ReadOnly' };
  if (set.ephemeralOsDisk === true) osDisk['diffDiskSettings'] = { option: 'Local' };
  else osDisk['managedDisk'] = { storageAccountType: 'Premium_LRS' };
  const configuration = { name: 'ipconfig', properties: { primary: true, subnet: { id: place.subnetId } } };
  const profile: JsonObject = {
    storageProfile: { imageReference: IMAGE, osDisk },
    osProfile: { computerNamePrefix: set.name.slice(0, 9) },
    networkProfile: {
      networkInterfaceConfigurations: [
        { name: 'nic', properties: { primary: true, ipConfigurations: [configuration] } },
      ],
    },
  };
  if (set.priority !== undefined) profile['priority'] = set.priority;
  if (set.evictionPolicy !== undefined) profile['evictionPolicy'] = set.evictionPolicy;
  const model: JsonObject = {
    location: place.location,
    tags: { ...set.tags },
    properties: {
      orchestrationMode: 'Uniform',
      overprovision: set.overprovision ?? false,
      singlePlacementGroup: set.singlePlacementGroup ?? false,
      upgradePolicy: { mode: 'Manual' },
      virtualMachineProfile: profile,
    },
  };
  if (set.zones !== undefined) model['zones'] = [...set.zones];
  return model;
}

const PROFILE = ['properties', 'virtualMachineProfile'];
const OS_DISK = [...PROFILE, 'storageProfile', 'osDisk'];
const IMAGE = { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' };

/** What the vendor's model has below `properties`. */
const PROPERTIES = [
  'upgradePolicy scheduledEventsPolicy automaticRepairsPolicy virtualMachineProfile overprovision',
  'doNotRunExtensionsOnOverprovisionedVMs singlePlacementGroup zoneBalance',
  'platformFaultDomainCount proximityPlacementGroup hostGroup additionalCapabilities scaleInPolicy',
  'orchestrationMode spotRestorePolicy priorityMixPolicy constrainedMaximumCapacity',
  'resiliencyPolicy zonalPlatformFaultDomainAlignMode skuProfile highSpeedInterconnectPlacement',
  'lifecycleHooksProfile externalHealthPolicy',
].flatMap((line) => line.split(' '));

function checkShape(model: JsonObject, location: string): void {
  const given = stringAt(model, ['location']);
  if (given === undefined) {
    throw new ArmError(400, 'LocationRequired', {
      message: 'The location property is required for this definition.',
    });
  }
  if (given.toLowerCase().replaceAll(' ', '') !== location) {
    throw new ArmError(400, 'LocationNotAvailableForResourceType', {
      message: `The provided location '${given}' is not available. List of available regions is '${location}'.`,
    });
  }
  refuseUnknownFields(objectAt(model, ['properties']) ?? {}, PROPERTIES, 'VirtualMachineScaleSetProperties');
  if (objectAt(model, PROFILE) === undefined)
    throw invalidContent('properties.virtualMachineProfile is required');
  stringsAt(model, ['zones']);
  if (stringAt(model, ['properties', 'orchestrationMode']) !== 'Uniform') {
    throw invalidParameter(
      "This emulator has uniform scale sets only: set it to 'Uniform'.",
      'orchestrationMode',
    );
  }
}
