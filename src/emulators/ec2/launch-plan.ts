import type { Catalogue, Image, InstanceType } from './catalogue.ts';
import { Ec2Error, invalidValue } from './ec2-error.ts';
import type { MetadataOptions, Tags } from './estate.ts';
import { planDisks, type DiskPlan } from './launch-disks.ts';
import type { LaunchParameters } from './launch-parameters.ts';
import type { LaunchPlace } from './launch-place.ts';
import { tagsFor } from './tags.ts';

/** Everything about a launch but its place and its number of instances. */
export interface LaunchPlan {
  image: Image;
  type: InstanceType;
  disks: readonly DiskPlan[];
  keyName: string | undefined;
  instanceProfile: string | undefined;
  metadata: MetadataOptions;
  spot: { interruption: 'terminate' | 'stop' } | undefined;
  tags: { instance: Tags; volume: Tags; networkCard: Tags };
}

/** Reads what is to be launched; throws the vendor's refusal of whatever does not exist or does not fit together. */
export function planLaunch(
  catalogue: Catalogue,
  parameters: LaunchParameters,
  place: LaunchPlace,
): LaunchPlan {
  const image = findImage(catalogue, parameters.ImageId);
  const type = findType(catalogue, parameters.InstanceType, place.zone);
  if (image.architecture !== type.architecture) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `The architecture '${type.architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI.`,
    );
  }
  checkUserData(parameters.UserData);
  const specifications = parameters.TagSpecification;
  return {
    image,
    type,
    disks: planDisks(image, parameters.BlockDeviceMapping),
    keyName: findKeyPair(catalogue, parameters.KeyName),
    instanceProfile: findProfile(catalogue, parameters.IamInstanceProfile),
    metadata: planMetadata(parameters.MetadataOptions),
    spot: planSpot(parameters.InstanceMarketOptions),
    tags: {
      instance: tagsFor(specifications, 'instance'),
      volume: tagsFor(specifications, 'volume'),
      networkCard: tagsFor(specifications, 'network-interface'),
    },
  };
}

/** The image with this id; throws InvalidAMIID.Malformed or InvalidAMIID.NotFound. */
export function findImage(catalogue: Catalogue, id: string): Image {
  if (!/^ami-[0-9a-f]{8}([0-9a-f]{9})?$/.test(id)) {
    throw new Ec2Error('InvalidAMIID.Malformed', `Invalid id: "${id}"`);
  }
  const image = catalogue.images.find((each) => each.id === id);
  if (image === undefined)
    throw new Ec2Error('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  return image;
}

function findType(catalogue: Catalogue, name: string, zone: string): InstanceType {
  const type = catalogue.instanceTypes.find((each) => each.name === name);
  if (type === undefined)
    throw new Ec2Error('InvalidParameterValue', `Invalid value '${name}' for InstanceType.`);
  if (!type.zones.includes(zone)) {
    throw new Ec2Error(
      'Unsupported',
      `Your requested instance type (${name}) is not supported in your requested Availability Zone (${zone}).`,
    );
  }
  return type;
}

const MAX_USER_DATA_BYTES = 16_384;

function checkUserData(encoded: string | undefined): void {
  if (encoded === undefined) return;
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    throw new Ec2Error('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.');
  }
  if (Buffer.from(encoded, 'base64').byteLength > MAX_USER_DATA_BYTES) {
    throw new Ec2Error('InvalidParameterValue', `User data is limited to ${MAX_USER_DATA_BYTES} bytes`);
  }
}

function findKeyPair(catalogue: Catalogue, name: string | undefined): string | undefined {
  if (name !== undefined && !catalogue.keyPairs.includes(name)) {
    throw new Ec2Error('InvalidKeyPair.NotFound', `The key pair '${name}' does not exist`);
  }
  return name;
}

function findProfile(
  catalogue: Catalogue,
  named: { Arn: string | undefined; Name: string | undefined } | undefined,
): string | undefined {
  if (named === undefined) return undefined;
  const prefix = `arn:aws:iam::${catalogue.accountId}:instance-profile/`;
  const name =
    named.Name ?? (named.Arn?.startsWith(prefix) === true ? named.Arn.slice(prefix.length) : undefined);
  if (name === undefined || !catalogue.instanceProfiles.includes(name)) {
    throw invalidValue('iamInstanceProfile', named.Name ?? named.Arn ?? '', 'Invalid IAM Instance Profile');
  }
  return name;
}

const MAX_HOPS = 64;

function planMetadata(options: LaunchParameters['MetadataOptions']): MetadataOptions {
  const { HttpTokens = 'optional', HttpEndpoint = 'enabled', HttpProtocolIpv6 = 'disabled' } = options ?? {};
  const { InstanceMetadataTags = 'disabled', HttpPutResponseHopLimit: hopLimit = 1 } = options ?? {};
  if (hopLimit < 1 || hopLimit > MAX_HOPS) {
    throw invalidValue(
      'MetadataOptions.HttpPutResponseHopLimit',
      String(hopLimit),
      `Expecting 1 to ${MAX_HOPS}.`,
    );
  }
  return {
    httpTokens: HttpTokens,
    httpEndpoint: HttpEndpoint,
    httpProtocolIpv6: HttpProtocolIpv6,
    instanceTags: InstanceMetadataTags,
    hopLimit,
  };
}

function planSpot(options: LaunchParameters['InstanceMarketOptions']): LaunchPlan['spot'] {
  if (options === undefined) return undefined;
  const interruption = options.SpotOptions?.InstanceInterruptionBehavior ?? 'terminate';
  const isPersistent = options.SpotOptions?.SpotInstanceType === 'persistent';
  if (interruption === 'stop' && !isPersistent) {
    throw new Ec2Error(
      'InvalidParameterCombination',
      'The interruption behavior stop is not supported for one-time Spot requests.',
    );
  }
  if (isPersistent && interruption === 'terminate') {
    throw new Ec2Error(
      'UnsupportedOperation',
      'A persistent Spot request that replaces its instances is not emulated: use one-time, or the behavior stop.',
    );
  }
  return { interruption };
}
