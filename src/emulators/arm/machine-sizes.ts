import { invalidParameter } from './arm-error.ts';

export interface MachineSize {
  name: string;
  family: string;
  cores: number;
  memoryGb: number;
  arch: 'x64' | 'Arm64';
  /** The largest ephemeral OS disk fits here; 0 where the size has none. */
  cacheGb: number;
  zones: readonly string[];
}

const ZONES = ['1', '2', '3'];

const SIZES: readonly MachineSize[] = [
  size('Standard_B2s', 'standardBSFamily', { cores: 2, memoryGb: 4, cacheGb: 0 }),
  size('Standard_D2s_v5', 'standardDSv5Family', { cores: 2, memoryGb: 8, cacheGb: 0 }),
  size('Standard_D4s_v5', 'standardDSv5Family', { cores: 4, memoryGb: 16, cacheGb: 0 }),
  size('Standard_D8s_v5', 'standardDSv5Family', { cores: 8, memoryGb: 32, cacheGb: 0 }),
  size('Standard_D2ds_v5', 'standardDDSv5Family', { cores: 2, memoryGb: 8, cacheGb: 75 }),
  size('Standard_D4ds_v5', 'standardDDSv5Family', { cores: 4, memoryGb: 16, cacheGb: 150 }),
  size('Standard_D8ds_v5', 'standardDDSv5Family', { cores: 8, memoryGb: 32, cacheGb: 300 }),
  size('Standard_D2s_v3', 'standardDSv3Family', { cores: 2, memoryGb: 8, cacheGb: 50 }),
  size('Standard_D4s_v3', 'standardDSv3Family', { cores: 4, memoryGb: 16, cacheGb: 100 }),
  size('Standard_F4s_v2', 'standardFSv2Family', { cores: 4, memoryGb: 8, cacheGb: 64 }),
  {
    ...size('Standard_D2pds_v5', 'standardDPDSv5Family', { cores: 2, memoryGb: 8, cacheGb: 75 }),
    arch: 'Arm64',
  },
];

export function machineSizes(): readonly MachineSize[] {
  return SIZES;
}

/** The size of that name, in any case. Refuses names that the region does not know. */
export function machineSize(name: string): MachineSize {
  const found = SIZES.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  throw invalidParameter(
    `The value ${name} provided for the VM size is not valid. The valid sizes in the current region are: ${SIZES.map((each) => each.name).join(',')}.`,
    'vmSize',
  );
}

/** The size as ResourceSkus_List shows it. */
export function skuView(each: MachineSize, place: { location: string; restricted: boolean }): unknown {
  return {
    resourceType: 'virtualMachines',
    name: each.name,
    tier: 'Standard',
    size: each.name.slice('Standard_'.length),
    family: each.family,
    locations: [place.location],
    locationInfo: [{ location: place.location, zones: each.zones, zoneDetails: [] }],
    capabilities: [
      { name: 'vCPUs', value: String(each.cores) },
      { name: 'MemoryGB', value: String(each.memoryGb) },
      { name: 'CpuArchitectureType', value: each.arch },
      { name: 'EphemeralOSDiskSupported', value: each.cacheGb > 0 ? 'True' : 'False' },
      { name: 'CachedDiskBytes', value: String(each.cacheGb * 1024 ** 3) },
      { name: 'LowPriorityCapable', value: each.name.startsWith('Standard_B') ? 'False' : 'True' },
    ],
    restrictions: place.restricted
      ? [
          {
            type: 'Location',
            values: [place.location],
            restrictionInfo: { locations: [place.location] },
            reasonCode: 'NotAvailableForSubscription',
          },
        ]
      : [],
  };
}

function size(
  name: string,
  family: string,
  measures: { cores: number; memoryGb: number; cacheGb: number },
): MachineSize {
  return { name, family, ...measures, arch: 'x64', zones: ZONES };
}
