import type { Catalogue } from './catalogue.ts';
import type { Disk, Instance, InstanceState, NetworkCard } from './estate.ts';
import { tagSet } from './tags.ts';
import type { XmlFields } from './xml.ts';

const STATE_CODES: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** The number that goes with a state's name. */
export function stateCode(state: InstanceState): number {
  return STATE_CODES[state];
}

/** A state as every answer holds it. */
export function stateFields(state: InstanceState): XmlFields {
  return { code: STATE_CODES[state], name: state };
}

/** One reservation with those of its instances that are given. */
export function reservationFields(catalogue: Catalogue, instances: readonly Instance[]): XmlFields {
  return {
    reservationId: instances[0]?.launch.reservationId,
    ownerId: catalogue.accountId,
    groupSet: [],
    instancesSet: instances.map((instance) => instanceFields(catalogue, instance)),
  };
}

/** Security groups as every answer holds them. */
export function groupSet(catalogue: Catalogue, groups: readonly string[]): XmlFields[] {
  return catalogue.securityGroups
    .filter(({ id }) => groups.includes(id))
    .map(({ id, name }) => ({ groupId: id, groupName: name }));
}

/** A private address' name inside the VPC. */
export function privateDnsName(catalogue: Catalogue, address: string): string {
  return `ip-${address.replaceAll('.', '-')}.${catalogue.region}.compute.internal`;
}

/** The zone's id, which is the same zone in every account. */
export function zoneId(catalogue: Catalogue, zone: string): string | undefined {
  return catalogue.zones.find(({ name }) => name === zone)?.id;
}

function instanceFields(catalogue: Catalogue, instance: Instance): XmlFields {
  const { launch } = instance;
  return {
    instanceId: instance.id,
    imageId: launch.image.id,
    instanceState: stateFields(instance.state),
    instanceType: launch.type.name,
    keyName: launch.keyName,
    amiLaunchIndex: instance.launchIndex,
    launchTime: new Date(instance.launchedAtMs),
    placement: {
      availabilityZone: launch.zone,
      availabilityZoneId: zoneId(catalogue, launch.zone),
      groupName: '',
      tenancy: 'default',
    },
    monitoring: { state: launch.monitoring ? 'enabled' : 'disabled' },
    architecture: launch.image.architecture,
    platform: launch.image.platform,
    rootDeviceType: 'ebs',
    rootDeviceName: instance.rootDevice,
    virtualizationType: 'hvm',
    hypervisor: 'xen',
    enaSupport: true,
    ebsOptimized: launch.ebsOptimized,
    clientToken: launch.clientToken,
    instanceLifecycle: instance.spot === undefined ? undefined : 'spot',
    spotInstanceRequestId: instance.spot?.requestId,
    iamInstanceProfile: profileFields(catalogue, launch.instanceProfile),
    metadataOptions: metadataFields(instance),
    stateReason: instance.stateReason,
    reason: instance.transitionReason,
    tagSet: tagSet(instance.tags),
    blockDeviceMapping: instance.disks.map(diskFields),
    ...networkFields(catalogue, instance),
  };
}

function profileFields(catalogue: Catalogue, name: string | undefined): XmlFields | undefined {
  if (name === undefined) return undefined;
  return {
    arn: `arn:aws:iam::${catalogue.accountId}:instance-profile/${name}`,
    id: `AIPA${name.toUpperCase()}`,
  };
}

function metadataFields({ launch: { metadata } }: Instance): XmlFields {
  return {
    state: 'applied',
    httpTokens: metadata.httpTokens,
    httpEndpoint: metadata.httpEndpoint,
    httpProtocolIpv6: metadata.httpProtocolIpv6,
    httpPutResponseHopLimit: metadata.hopLimit,
    instanceMetadataTags: metadata.instanceTags,
  };
}

function diskFields(disk: Disk): XmlFields {
  return {
    deviceName: disk.attachment?.device,
    ebs: {
      volumeId: disk.id,
      status: 'attached',
      attachTime: dateOf(disk.attachment?.attachedAtMs),
      deleteOnTermination: disk.attachment?.deleteWithInstance,
    },
  };
}

/** A deleted instance has neither network cards nor addresses any more. */
function networkFields(catalogue: Catalogue, instance: Instance): XmlFields {
  const [card] = instance.cards;
  if (card === undefined) return { networkInterfaceSet: [], groupSet: [], privateDnsName: '', dnsName: '' };
  return {
    subnetId: card.subnet,
    vpcId: catalogue.vpc.id,
    privateIpAddress: card.privateAddress,
    privateDnsName: privateDnsName(catalogue, card.privateAddress),
    ipAddress: card.publicAddress,
    dnsName: '',
    sourceDestCheck: true,
    groupSet: groupSet(catalogue, card.groups),
    networkInterfaceSet: instance.cards.map((each) => cardFields(catalogue, each)),
  };
}

function cardFields(catalogue: Catalogue, card: NetworkCard): XmlFields {
  const association =
    card.publicAddress === undefined
      ? undefined
      : { publicIp: card.publicAddress, publicDnsName: '', ipOwnerId: 'amazon' };
  return {
    networkInterfaceId: card.id,
    subnetId: card.subnet,
    vpcId: catalogue.vpc.id,
    description: card.description,
    ownerId: catalogue.accountId,
    status: 'in-use',
    macAddress: card.mac,
    privateIpAddress: card.privateAddress,
    privateDnsName: privateDnsName(catalogue, card.privateAddress),
    sourceDestCheck: true,
    interfaceType: 'interface',
    groupSet: groupSet(catalogue, card.groups),
    attachment: {
      attachmentId: card.attachment?.id,
      deviceIndex: card.attachment?.deviceIndex,
      networkCardIndex: 0,
      status: 'attached',
      attachTime: dateOf(card.attachment?.attachedAtMs),
      deleteOnTermination: card.attachment?.deleteWithInstance,
    },
    association,
    privateIpAddressesSet: [
      {
        privateIpAddress: card.privateAddress,
        privateDnsName: privateDnsName(catalogue, card.privateAddress),
        primary: true,
        association,
      },
    ],
  };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
