export type Architecture = 'x86_64' | 'arm64';

export interface Zone {
  name: string;
  id: string;
}

export interface Subnet {
  id: string;
  zone: string;
  cidr: string;
  publicAddresses: boolean;
}

export interface InstanceType {
  name: string;
  architecture: Architecture;
  vcpus: number;
  memoryMib: number;
  /** Names of the zones that offer it. */
  zones: readonly string[];
}

export interface Image {
  id: string;
  name: string;
  architecture: Architecture;
  platform?: 'windows';
  rootDevice: string;
  rootSizeGib: number;
  snapshotId: string;
}

/** What exists in the emulated account before anybody calls: one region, one VPC, a subnet per zone. */
export interface Catalogue {
  accountId: string;
  region: string;
  vpc: { id: string; cidr: string };
  /** Where instances get public addresses from; nothing listens there. */
  publicCidr: string;
  zones: readonly Zone[];
  subnets: readonly Subnet[];
  securityGroups: readonly { id: string; name: string }[];
  images: readonly Image[];
  instanceTypes: readonly InstanceType[];
  keyPairs: readonly string[];
  instanceProfiles: readonly string[];
}

const ZONES = ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'] as const;
const [A, B, C] = ZONES;

/**
 * The VPC lies in the loopback network, so that each instance's private address can really be listened at.
 * m7g.large is not offered in the third zone: asking for it there is the vendor's Unsupported.
 */
export const defaultCatalogue: Catalogue = {
  accountId: '012345678901',
  region: 'eu-west-1',
  vpc: { id: 'vpc-0d0e4e4a770000001', cidr: '127.77.0.0/16' },
  publicCidr: '198.18.0.0/16',
  zones: [
    { name: A, id: 'euw1-az1' },
    { name: B, id: 'euw1-az2' },
    { name: C, id: 'euw1-az3' },
  ],
  subnets: [
    { id: 'subnet-0d0e4e4a77000000a', zone: A, cidr: '127.77.0.0/18', publicAddresses: false },
    { id: 'subnet-0d0e4e4a77000000b', zone: B, cidr: '127.77.64.0/18', publicAddresses: false },
    { id: 'subnet-0d0e4e4a77000000c', zone: C, cidr: '127.77.128.0/18', publicAddresses: false },
  ],
  securityGroups: [
    { id: 'sg-0d0e4e4a770000001', name: 'default' },
    { id: 'sg-0d0e4e4a770000002', name: 'guests' },
  ],
  images: [
    linux({ number: 1, name: 'ubuntu-24.04', architecture: 'x86_64' }),
    linux({ number: 2, name: 'ubuntu-24.04-next', architecture: 'x86_64' }),
    linux({ number: 3, name: 'ubuntu-24.04-arm', architecture: 'arm64' }),
    {
      ...linux({ number: 4, name: 'windows-11', architecture: 'x86_64' }),
      platform: 'windows',
      rootSizeGib: 60,
    },
  ],
  instanceTypes: [
    { name: 't3.micro', architecture: 'x86_64', vcpus: 2, memoryMib: 1024, zones: ZONES },
    { name: 't3.medium', architecture: 'x86_64', vcpus: 2, memoryMib: 4096, zones: ZONES },
    { name: 'm7i.large', architecture: 'x86_64', vcpus: 2, memoryMib: 8192, zones: ZONES },
    { name: 'm7i.xlarge', architecture: 'x86_64', vcpus: 4, memoryMib: 16_384, zones: ZONES },
    { name: 'c7i.large', architecture: 'x86_64', vcpus: 2, memoryMib: 4096, zones: ZONES },
    { name: 'm7g.large', architecture: 'arm64', vcpus: 2, memoryMib: 8192, zones: [A, B] },
  ],
  keyPairs: ['drover'],
  instanceProfiles: ['drover-guest'],
};

function linux(image: { number: number; name: string; architecture: Architecture }): Image {
  return {
    id: `ami-0d0e4e4a77000000${image.number}`,
    name: image.name,
    architecture: image.architecture,
    rootDevice: '/dev/sda1',
    rootSizeGib: 8,
    snapshotId: `snap-0d0e4e4a77000000${image.number}`,
  };
}
