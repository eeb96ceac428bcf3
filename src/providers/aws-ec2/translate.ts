import type {
  _InstanceType,
  Instance,
  RunInstancesCommandInput,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import type { BatchCall, InventoryItem, LaunchedInstance } from '../../fleet/provider.ts';
import type { AwsPlacement } from './placement.ts';

/** Tags on everything that is launched; inventories go by the first three. */
export const TAGS = {
  installation: 'drover:installation',
  pool: 'drover:pool',
  placement: 'drover:placement',
  batch: 'drover:batch',
} as const;

/** An instance as a listing showed it. */
export interface Sighting {
  instance: string;
  state: InventoryItem['state'];
  privateAddress: string | null;
  publicAddress: string | null;
  batch: string | null;
  clientToken: string | null;
}

/** One launch for the whole batch, as many as there is room for, under the batch's id: the same words on every replay. */
export function toRunInstances(
  call: BatchCall,
  spec: AwsPlacement,
  installation: string,
): RunInstancesCommandInput {
  return {
    ClientToken: call.batch,
    MinCount: 1,
    MaxCount: call.members.length,
    ImageId: spec.imageId,
    ...(isInstanceType(spec.instanceType) && { InstanceType: spec.instanceType }),
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: spec.subnetId,
        Groups: spec.securityGroupIds,
        // Said either way: a subnet's own default must not decide whether a guest can be reached from outside.
        AssociatePublicIpAddress: spec.address === 'public',
        DeleteOnTermination: true,
      },
    ],
    TagSpecifications: toTagSpecifications(call, spec, installation),
    ...optionalParts(spec),
  };
}

/** The SDK's list of types is always older than EC2's: any name will do. */
function isInstanceType(name: string): name is _InstanceType {
  return name !== '';
}

function optionalParts(spec: AwsPlacement): Partial<RunInstancesCommandInput> {
  const parts: Partial<RunInstancesCommandInput> = {};
  if (spec.zone !== undefined) parts.Placement = { AvailabilityZone: spec.zone };
  if (spec.keyName !== undefined) parts.KeyName = spec.keyName;
  if (spec.userData !== undefined) parts.UserData = Buffer.from(spec.userData).toString('base64');
  if (spec.iamInstanceProfile !== undefined) parts.IamInstanceProfile = toProfile(spec.iamInstanceProfile);
  if (spec.volumeSizeGiB !== undefined) {
    parts.BlockDeviceMappings = [
      {
        DeviceName: spec.rootDeviceName,
        Ebs: { VolumeSize: spec.volumeSizeGiB, DeleteOnTermination: true },
      },
    ];
  }
  if (spec.spot === true) {
    parts.InstanceMarketOptions = {
      MarketType: 'spot',
      SpotOptions: { SpotInstanceType: 'one-time', InstanceInterruptionBehavior: 'terminate' },
    };
  }
  return parts;
}

function toProfile(profile: string): { Arn: string } | { Name: string } {
  return profile.startsWith('arn:') ? { Arn: profile } : { Name: profile };
}

function toTagSpecifications(call: BatchCall, spec: AwsPlacement, installation: string): TagSpecification[] {
  const tags = {
    ...spec.tags,
    Name: `${installation}/${call.placement.pool}`,
    [TAGS.installation]: installation,
    [TAGS.pool]: call.placement.pool,
    [TAGS.placement]: call.placement.name,
    [TAGS.batch]: call.batch,
  };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return [
    { ResourceType: 'instance', Tags },
    { ResourceType: 'volume', Tags },
    { ResourceType: 'network-interface', Tags },
  ];
}

/** What a listing says of one instance; undefined where it does not even say which one. */
export function toSighting(instance: Instance): Sighting | undefined {
  if (instance.InstanceId === undefined) return undefined;
  const batch = instance.Tags?.find((tag) => tag.Key === TAGS.batch)?.Value;
  return {
    instance: instance.InstanceId,
    state: STATES.get(instance.State?.Name ?? '') ?? 'unknown',
    privateAddress: textOrNull(instance.PrivateIpAddress),
    publicAddress: textOrNull(instance.PublicIpAddress),
    batch: textOrNull(batch),
    clientToken: textOrNull(instance.ClientToken),
  };
}

const STATES: ReadonlyMap<string, InventoryItem['state']> = new Map([
  ['pending', 'pending'],
  ['running', 'running'],
  ['stopping', 'stopping'],
  ['stopped', 'stopped'],
  ['shutting-down', 'deleting'],
  ['terminated', 'gone'],
]);

/** The address that the placement's machines are reached at. */
export function addressOf(sighting: Sighting, spec: AwsPlacement): string | null {
  return spec.address === 'public' ? sighting.publicAddress : sighting.privateAddress;
}

/** Running only once it can be reached; everything on its way, also out, is pending until it is gone. */
export function toLaunched(sighting: Sighting, spec: AwsPlacement): LaunchedInstance {
  const address = addressOf(sighting, spec);
  const isUp = sighting.state === 'running' && address !== null;
  const state = isUp ? 'running' : sighting.state === 'gone' ? 'gone' : 'pending';
  return { instance: sighting.instance, state, address };
}

export function toInventoryItem(sighting: Sighting, spec: AwsPlacement): InventoryItem {
  const { instance, state, batch } = sighting;
  return { instance, state, address: addressOf(sighting, spec), batch };
}

function textOrNull(value: string | undefined): string | null {
  return value === undefined || value === '' ? null : value;
}
