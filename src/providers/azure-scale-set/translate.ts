import type { VirtualMachineScaleSet, VirtualMachineScaleSetVM } from '@azure/arm-compute';
import type { NetworkInterface } from '@azure/arm-network';
import { FleetError } from '../../fleet/errors.ts';
import type { InventoryItem } from '../../fleet/provider.ts';
import { ownerOf } from './growth-marker.ts';
import { instanceOf } from './placement.ts';
import type { ScaleSet } from './placement.ts';

/** An instance of a scale set as the listing shows it. */
export interface Machine {
  number: string;
  state: InventoryItem['state'];
  /** The vendor's word for its last write to it: Creating, Updating, Succeeded, Failed, Deleting. */
  provisioning: string;
}

/** A scale set's own description, as far as the provider acts on it. */
export interface SetModel {
  etag: string;
  sku: { name: string; tier: string };
  capacity: number;
  tags: Readonly<Record<string, string>>;
  provisioningState: string;
  ephemeral: boolean;
  hasDataDisks: boolean;
  spot: boolean;
  /** The most instances it may have. */
  most: number;
}

/**
 * Throws FleetError for a set that this provider must not touch: not uniform, overprovisioning, or grown by another
 * installation.
 */
export function toSetModel(set: ScaleSet, read: VirtualMachineScaleSet, installation: string): SetModel {
  refuseUnfit(set, read);
  refuseForeign(set, ownerOf(read.tags), installation);
  const { etag, sku } = read;
  if (etag === undefined || sku?.name === undefined || sku.capacity === undefined) {
    throw refused(set, 'Azure tells no ETag, size or capacity of it.');
  }
  return {
    etag,
    sku: { name: sku.name, tier: sku.tier ?? 'Standard' },
    capacity: sku.capacity,
    tags: read.tags ?? {},
    provisioningState: read.provisioningState ?? 'Unknown',
    most: read.singlePlacementGroup === false ? 1000 : 100,
    ...toProfile(read.virtualMachineProfile),
  };
}

export function toMachine(vm: VirtualMachineScaleSetVM): Machine {
  const number = vm.instanceId ?? vm.id?.split('/').at(-1) ?? '';
  if (!/^\d+$/.test(number)) {
    // Acting on a listing with a hole in it would take a machine for gone.
    throw new FleetError(`Azure listed an instance without a number: ${vm.id ?? 'no id'}.`, {
      code: 'mismatch',
      remedy: 'retry-later',
    });
  }
  return { number, state: stateOf(vm), provisioning: vm.provisioningState ?? 'Unknown' };
}

/** The private address of each instance, by its number. */
export function toAddresses(set: ScaleSet, cards: readonly NetworkInterface[]): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  const prefix = instanceOf(set, '');
  // The primary card last: where a machine has several, its address is the one that stays.
  for (const card of cards.toSorted(
    (one, other) => Number(one.primary ?? false) - Number(other.primary ?? false),
  )) {
    const machine = card.virtualMachine?.id?.toLowerCase() ?? '';
    const configurations = card.ipConfigurations ?? [];
    const configuration = configurations.find((each) => each.primary === true) ?? configurations[0];
    const address = configuration?.privateIPAddress;
    if (machine.startsWith(prefix) && address !== undefined)
      addresses.set(machine.slice(prefix.length), address);
  }
  return addresses;
}

function toProfile(
  profile: VirtualMachineScaleSet['virtualMachineProfile'],
): Pick<SetModel, 'ephemeral' | 'hasDataDisks' | 'spot'> {
  const storage = profile?.storageProfile;
  return {
    ephemeral: storage?.osDisk?.diffDiskSettings?.option === 'Local',
    hasDataDisks: (storage?.dataDisks ?? []).length > 0,
    spot: profile?.priority === 'Spot' || profile?.priority === 'Low',
  };
}

const POWER: Readonly<Record<string, InventoryItem['state']>> = {
  starting: 'pending',
  running: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  deallocating: 'stopping',
  deallocated: 'stopped',
};

function stateOf(vm: VirtualMachineScaleSetVM): InventoryItem['state'] {
  if (vm.provisioningState === 'Deleting') return 'deleting';
  if (vm.provisioningState === 'Creating') return 'pending';
  const status = vm.instanceView?.statuses?.find((each) => each.code?.startsWith('PowerState/') === true);
  return POWER[status?.code?.slice('PowerState/'.length) ?? ''] ?? 'unknown';
}

function refuseUnfit(set: ScaleSet, read: VirtualMachineScaleSet): void {
  if (read.orchestrationMode === 'Flexible') {
    throw refused(set, 'Its orchestration mode is Flexible, which cannot reimage: use a uniform scale set.');
  }
  if (read.overprovision === true) {
    throw refused(
      set,
      'It overprovisions, so instances would vanish after their launch: set overprovision to false.',
    );
  }
}

function refuseForeign(set: ScaleSet, owner: string | undefined, installation: string): void {
  if (owner === undefined || owner === installation) return;
  throw refused(
    set,
    `It belongs to the installation ${owner}: give each installation a scale set of its own, or remove the tag drover-installation to hand it over.`,
  );
}

function refused(set: ScaleSet, why: string): FleetError {
  return new FleetError(`The scale set ${set.resourceGroup}/${set.name} cannot be used. ${why}`, {
    code: 'refused',
    remedy: 'give-up',
  });
}
