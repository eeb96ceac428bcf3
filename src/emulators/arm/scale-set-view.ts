import { objectAt } from './arm-body.ts';
import type { AsyncOperations } from './async-operations.ts';
import { hasEphemeralOsDisk, networkNames } from './scale-set-model.ts';
import { instanceResourceId } from './scale-set-store.ts';
import type { Instance, ScaleSet } from './scale-set.ts';

/** A scale set as the vendor answers it. */
export function scaleSetView(set: ScaleSet, operations: AsyncOperations): Record<string, unknown> {
  return {
    ...set.model,
    name: set.name,
    id: set.resourceId,
    type: 'Microsoft.Compute/virtualMachineScaleSets',
    sku: { name: set.size.name, tier: set.tier, capacity: set.capacity },
    etag: set.etag,
    properties: {
      ...objectAt(set.model, ['properties']),
      provisioningState: provisioningState(set, operations),
      uniqueId: set.uniqueId,
      timeCreated: new Date(set.createdMs).toISOString(),
    },
  };
}

/** An instance of it; `withView` adds what `$expand=instanceView` asks for. */
export function instanceView(instance: Instance, withView: boolean): Record<string, unknown> {
  const { set } = instance;
  const name = `${set.name}_${instance.id}`;
  const properties: Record<string, unknown> = {
    latestModelApplied: instance.modelVersion === set.modelVersion,
    vmId: instance.vmId,
    provisioningState: instance.provisioningState,
    hardwareProfile: { vmSize: instance.size.name },
    storageProfile: { osDisk: osDisk(instance) },
    osProfile: { computerName: computerName(instance) },
    networkProfile: { networkInterfaces: [{ id: networkCardId(instance), properties: { primary: true } }] },
    timeCreated: new Date(instance.createdMs).toISOString(),
  };
  if (withView) properties['instanceView'] = instanceStatus(instance);
  return {
    name,
    id: instanceResourceId(instance),
    type: 'Microsoft.Compute/virtualMachineScaleSets/virtualMachines',
    location: set.model['location'],
    instanceId: instance.id,
    sku: { name: instance.size.name, tier: set.tier },
    etag: instance.etag,
    ...(instance.zone === undefined ? {} : { zones: [instance.zone] }),
    properties,
  };
}

/** What VirtualMachineScaleSetVMs_GetInstanceView answers. */
export function instanceStatus(instance: Instance): Record<string, unknown> {
  const { provisioningState: state, power } = instance;
  const statuses = [
    {
      code: `ProvisioningState/${state.toLowerCase()}`,
      level: level(state),
      displayStatus: `Provisioning ${state}`,
    },
  ];
  if (power !== 'creating') {
    statuses.push({ code: `PowerState/${power}`, level: 'Info', displayStatus: `VM ${power}` });
  }
  return { computerName: computerName(instance), osName: 'emulated', statuses };
}

/** A network card as Microsoft.Network answers it. */
export function networkCardView(instance: Instance): Record<string, unknown> {
  const names = networkNames(instance.set.model);
  const id = networkCardId(instance);
  return {
    name: names.card,
    id,
    etag: `W/${instance.etag}`,
    properties: {
      provisioningState: 'Succeeded',
      primary: true,
      virtualMachine: { id: instanceResourceId(instance) },
      ipConfigurations: [
        {
          name: names.configuration,
          id: `${id}/ipConfigurations/${names.configuration}`,
          etag: `W/${instance.etag}`,
          properties: {
            provisioningState: 'Succeeded',
            privateIPAddress: instance.address,
            privateIPAllocationMethod: 'Dynamic',
            privateIPAddressVersion: 'IPv4',
            primary: true,
            ...(names.subnetId === undefined ? {} : { subnet: { id: names.subnetId } }),
          },
        },
      ],
    },
  };
}

export function networkCardId(instance: Instance): string {
  return `${instanceResourceId(instance)}/networkInterfaces/${networkNames(instance.set.model).card}`;
}

/** The managed disk's resource id; an ephemeral disk is no resource of its own. */
export function diskId(instance: Instance): string | undefined {
  if (hasEphemeralOsDisk(instance.set.model)) return undefined;
  const group = instance.set.resourceId.split('/providers/')[0] ?? '';
  return `${group}/providers/Microsoft.Compute/disks/${diskName(instance)}`;
}

function provisioningState(set: ScaleSet, operations: AsyncOperations): string {
  if (set.deleting) return 'Deleting';
  if (operations.runningOn(set.name).length > 0) return 'Updating';
  return set.lastWriteFailed ? 'Failed' : 'Succeeded';
}

function osDisk(instance: Instance): Record<string, unknown> {
  const id = diskId(instance);
  const disk = { name: diskName(instance), createOption: 'FromImage', caching: 'ReadOnly' };
  return id === undefined
    ? { ...disk, diffDiskSettings: { option: 'Local' } }
    : { ...disk, managedDisk: { id, storageAccountType: 'Premium_LRS' } };
}

function diskName(instance: Instance): string {
  return `${instance.set.name}_${instance.id}_OsDisk_1_${instance.vmId.replaceAll('-', '')}`;
}

function computerName(instance: Instance): string {
  return `${instance.set.name.slice(0, 9)}${Number(instance.id).toString(36).padStart(6, '0').toUpperCase()}`;
}

function level(state: Instance['provisioningState']): string {
  return state === 'Failed' ? 'Error' : 'Info';
}
