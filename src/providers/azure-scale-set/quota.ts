import type { ResourceSku, Usage } from '@azure/arm-compute';
import { FleetError } from '../../fleet/errors.ts';
import type { SetModel } from './translate.ts';

/** What the vendor counts a machine of this size as. */
export interface Size {
  family: string;
  cores: number;
}

/** Throws FleetError `not-found` where the region does not offer the size: no number is ever guessed. */
export function toSize(sizes: readonly ResourceSku[], name: string): Size {
  const found = sizes.find(
    (size) => size.resourceType === 'virtualMachines' && size.name?.toLowerCase() === name.toLowerCase(),
  );
  const vcpus = found?.capabilities?.find((capability) => capability.name === 'vCPUs')?.value;
  const cores = Number(vcpus);
  if (found?.family === undefined || !(cores > 0)) {
    throw new FleetError(
      `The region does not tell how many cores a ${name} has, so its quota cannot be read.`,
      {
        code: 'not-found',
        remedy: 'retry-later',
      },
    );
  }
  return { family: found.family, cores };
}

/** How many more machines fit: into every quota of the account that counts them, and into the set. */
export function machinesLeft(
  usages: readonly Usage[],
  size: Size,
  set: Pick<SetModel, 'spot' | 'capacity' | 'most'>,
): number {
  // Spot machines are counted in one quota of their own, whatever their family.
  const counted = set.spot ? ['lowPriorityCores'] : ['cores', size.family];
  const left = counted.map((name) => coresLeft(usages, name) / size.cores);
  const machines = usages.find((usage) => isNamed(usage, 'virtualMachines'));
  const others = machines === undefined ? [] : [machines.limit - machines.currentValue];
  return Math.max(0, Math.floor(Math.min(...left, ...others, set.most - set.capacity)));
}

function coresLeft(usages: readonly Usage[], name: string): number {
  const usage = usages.find((each) => isNamed(each, name));
  if (usage !== undefined) return usage.limit - usage.currentValue;
  throw new FleetError(`Azure tells no usage named ${name}, so what is left of the quota is not known.`, {
    code: 'not-found',
    remedy: 'retry-later',
  });
}

function isNamed(usage: Usage, name: string): boolean {
  return usage.name.value?.toLowerCase() === name.toLowerCase();
}
