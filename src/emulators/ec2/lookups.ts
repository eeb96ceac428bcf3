import { defineAction } from './action.ts';
import type { Image, InstanceType, Subnet, Zone } from './catalogue.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Tags } from './estate.ts';
import { compileFilters, filterList, type Filter, type FilterTable } from './filters.ts';
import { zoneId } from './instance-answer.ts';
import { cutPage, pagingFields, type Page, type PageLimits, type PageRequest } from './paging.ts';
import { flag, list, text } from './parameters.ts';

/** DescribeSubnets. */
export const describeSubnets = defineAction({
  mutating: false,
  fields: { SubnetId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate: { catalogue }, addresses }, { parameters }) {
    const table: FilterTable<Subnet> = {
      'availability-zone': ({ zone }) => [zone],
      availabilityZone: ({ zone }) => [zone],
      'cidr-block': ({ cidr }) => [cidr],
      'subnet-id': ({ id }) => [id],
      'vpc-id': () => [catalogue.vpc.id],
    };
    const page = lookUp(
      catalogue.subnets,
      { named: parameters.SubnetId, missing: 'InvalidSubnetID.NotFound' },
      {
        parameters,
        table,
      },
    );
    const subnetSet = page.items.map((subnet) => ({
      subnetId: subnet.id,
      state: 'available',
      vpcId: catalogue.vpc.id,
      cidrBlock: subnet.cidr,
      availableIpAddressCount: addresses.available(subnet.id),
      availabilityZone: subnet.zone,
      availabilityZoneId: zoneId(catalogue, subnet.zone),
      defaultForAz: true,
      mapPublicIpOnLaunch: subnet.publicAddresses,
      ownerId: catalogue.accountId,
      subnetArn: `arn:aws:ec2:${catalogue.region}:${catalogue.accountId}:subnet/${subnet.id}`,
      tagSet: [],
    }));
    return { answer: { subnetSet, nextToken: page.nextToken } };
  },
});

/** DescribeImages: all of them belong to the account. */
export const describeImages = defineAction({
  mutating: false,
  fields: { ImageId: list(text), Owner: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate: { catalogue } }, { parameters }) {
    const table: FilterTable<Image> = {
      architecture: ({ architecture }) => [architecture],
      'image-id': ({ id }) => [id],
      name: ({ name }) => [name],
      'owner-id': () => [catalogue.accountId],
      'root-device-type': () => ['ebs'],
      state: () => ['available'],
    };
    const isOurs =
      parameters.Owner.length === 0 || parameters.Owner.some((owner) => isOwner(owner, catalogue.accountId));
    const named = { named: parameters.ImageId, missing: 'InvalidAMIID.NotFound' };
    const page = lookUp(isOurs ? catalogue.images : [], named, { parameters, table });
    const imagesSet = page.items.map((image) => ({
      imageId: image.id,
      name: image.name,
      imageState: 'available',
      imageOwnerId: catalogue.accountId,
      imageType: 'machine',
      isPublic: false,
      architecture: image.architecture,
      platform: image.platform,
      rootDeviceType: 'ebs',
      rootDeviceName: image.rootDevice,
      virtualizationType: 'hvm',
      hypervisor: 'xen',
      enaSupport: true,
      blockDeviceMapping: [
        {
          deviceName: image.rootDevice,
          ebs: {
            snapshotId: image.snapshotId,
            volumeSize: image.rootSizeGib,
            volumeType: 'gp3',
            deleteOnTermination: true,
          },
        },
      ],
      tagSet: [],
    }));
    return { answer: { imagesSet, nextToken: page.nextToken } };
  },
});

/** DescribeAvailabilityZones; it has no pages. */
export const describeAvailabilityZones = defineAction({
  mutating: false,
  fields: {
    ZoneName: list(text),
    ZoneId: list(text),
    AllAvailabilityZones: flag,
    Filter: filterList,
    DryRun: flag,
  },
  handle({ estate: { catalogue } }, { parameters }) {
    const table: FilterTable<Zone> = {
      'region-name': () => [catalogue.region],
      state: () => ['available'],
      'zone-id': ({ id }) => [id],
      'zone-name': ({ name }) => [name],
    };
    const named = parameters.ZoneName.map(
      (name) => catalogue.zones.find((zone) => zone.name === name)?.id ?? name,
    );
    const page = lookUp(
      catalogue.zones,
      { named: [...named, ...parameters.ZoneId], missing: 'InvalidParameterValue' },
      { parameters: { ...parameters, MaxResults: undefined, NextToken: undefined }, table },
    );
    const availabilityZoneInfo = page.items.map((zone) => ({
      zoneName: zone.name,
      zoneId: zone.id,
      zoneState: 'available',
      zoneType: 'availability-zone',
      regionName: catalogue.region,
      groupName: catalogue.region,
      networkBorderGroup: catalogue.region,
      optInStatus: 'opt-in-not-required',
      messageSet: [],
    }));
    return { answer: { availabilityZoneInfo } };
  },
});

/** DescribeInstanceTypes: vCPUs, memory and architecture of each type. */
export const describeInstanceTypes = defineAction({
  mutating: false,
  fields: { InstanceType: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate: { catalogue } }, { parameters }) {
    const table: FilterTable<InstanceType & { id: string }> = {
      'instance-type': ({ name }) => [name],
      'processor-info.supported-architecture': ({ architecture }) => [architecture],
      'vcpu-info.default-vcpus': ({ vcpus }) => [String(vcpus)],
    };
    const types = catalogue.instanceTypes.map((type) => ({ ...type, id: type.name }));
    const named = { named: parameters.InstanceType, missing: 'InvalidInstanceType' };
    const page = lookUp(types, named, { parameters, table, limits: { least: 5, most: 100 } });
    const instanceTypeSet = page.items.map((type) => ({
      instanceType: type.name,
      currentGeneration: true,
      bareMetal: false,
      hypervisor: 'nitro',
      supportedUsageClasses: ['on-demand', 'spot'],
      supportedRootDeviceTypes: ['ebs'],
      supportedVirtualizationTypes: ['hvm'],
      processorInfo: { supportedArchitectures: [type.architecture] },
      vCpuInfo: { defaultVCpus: type.vcpus, defaultCores: type.vcpus, defaultThreadsPerCore: 1 },
      memoryInfo: { sizeInMiB: type.memoryMib },
      hibernationSupported: false,
    }));
    return { answer: { instanceTypeSet, nextToken: page.nextToken } };
  },
});

interface Looking<T> {
  parameters: PageRequest & { Filter: readonly Filter[] };
  table: FilterTable<T>;
  limits?: PageLimits;
}

/** Fixed things have neither tags nor a number of their own; here they get both, so that they filter and page alike. */
function lookUp<T extends { id: string }>(
  things: readonly T[],
  { named, missing }: { named: readonly string[]; missing: string },
  { parameters, table, limits }: Looking<T>,
): Page<T & { sequence: number; tags: Tags }> {
  const unknown = named.find((id) => things.every((thing) => thing.id !== id));
  if (unknown !== undefined) throw new Ec2Error(missing, `'${unknown}' does not exist`);
  const passes = compileFilters<T & { tags: Tags }>(parameters.Filter, table);
  const numbered = things
    .map((thing, index) => ({ ...thing, sequence: index + 1, tags: new Map<string, string>() }))
    .filter((thing) => named.length === 0 || named.includes(thing.id));
  return cutPage(numbered.filter(passes), parameters, limits);
}

function isOwner(owner: string, accountId: string): boolean {
  return owner === 'self' || owner === accountId;
}
