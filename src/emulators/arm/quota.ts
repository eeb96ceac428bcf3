import { ArmError } from './arm-error.ts';
import type { ArmSettings } from './arm-options.ts';
import { machineSizes } from './machine-sizes.ts';
import type { MachineSize } from './machine-sizes.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import { isSpot } from './scale-set-model.ts';
import type { Instance } from './scale-set.ts';

export interface Quotas {
  /** Throws the vendor's 409 where so many more machines would exceed a quota. */
  check(more: { size: MachineSize; count: number; spot: boolean }): void;
  /** The rows of Usage_List. */
  usages(): unknown[];
}

export function createQuotas(store: ScaleSetStore, settings: ArmSettings): Quotas {
  const { quota, location } = settings;
  // The vendor counts allocated and deallocated machines alike, and leaves out what overprovisioning adds.
  const used = (matches: (instance: Instance) => boolean): number =>
    store
      .instances()
      .filter((instance) => !instance.extra && matches(instance))
      .reduce((cores, instance) => cores + instance.size.cores, 0);
  const isSpotInstance = (instance: Instance): boolean => isSpot(instance.set.model);
  const low = (): number => used(isSpotInstance);
  const total = (): number => used((instance) => !isSpotInstance(instance));
  const family = (name: string): number =>
    used((instance) => !isSpotInstance(instance) && instance.size.family === name);
  const familyLimit = (name: string): number => quota.families[name] ?? quota.familyDefault;
  return {
    check({ size, count, spot }) {
      const additional = size.cores * count;
      if (additional <= 0) return;
      const rows = spot
        ? [{ name: 'LowPriorityCores', usage: low(), limit: quota.lowPriorityCores }]
        : [
            { name: 'Total Regional Cores', usage: total(), limit: quota.cores },
            { name: `${size.family} Cores`, usage: family(size.family), limit: familyLimit(size.family) },
          ];
      for (const row of rows)
        if (row.usage + additional > row.limit) throw exceeded({ ...row, additional, location });
    },
    usages: () => [
      usage('cores', 'Total Regional vCPUs', { currentValue: total(), limit: quota.cores }),
      usage('lowPriorityCores', 'Total Regional Low-priority vCPUs', {
        currentValue: low(),
        limit: quota.lowPriorityCores,
      }),
      usage('virtualMachines', 'Virtual Machines', { currentValue: store.instances().length, limit: 25_000 }),
      usage('virtualMachineScaleSets', 'Virtual Machine Scale Sets', {
        currentValue: store.all().length,
        limit: 2500,
      }),
      ...[...new Set(machineSizes().map((size) => size.family))].map((name) =>
        usage(name, `${name} vCPUs`, { currentValue: family(name), limit: familyLimit(name) }),
      ),
    ],
  };
}

function usage(
  value: string,
  localizedValue: string,
  numbers: { currentValue: number; limit: number },
): unknown {
  return { unit: 'Count', ...numbers, name: { value, localizedValue } };
}

function exceeded(row: {
  name: string;
  usage: number;
  limit: number;
  additional: number;
  location: string;
}): ArmError {
  return new ArmError(409, 'OperationNotAllowed', {
    message:
      `Operation could not be completed as it results in exceeding approved ${row.name} quota. ` +
      `Additional details - Deployment Model: Resource Manager, Location: ${row.location}, ` +
      `Current Limit: ${row.limit}, Current Usage: ${row.usage}, Additional Required: ${row.additional}, ` +
      `(Minimum) New Limit Required: ${row.usage + row.additional}.`,
  });
}
