import { anyText, flag, group, list, needed, oneOf, text, whole, type GroupOf } from './parameters.ts';
import { tagSpecifications } from './tags.ts';

const disk = group({
  DeviceName: needed(text),
  NoDevice: anyText,
  Ebs: group({
    DeleteOnTermination: flag,
    Encrypted: flag,
    Iops: whole,
    SnapshotId: text,
    Throughput: whole,
    VolumeSize: whole,
    VolumeType: oneOf('gp2', 'gp3', 'io1', 'io2', 'sc1', 'st1', 'standard'),
  }),
});

const networkCard = group({
  AssociatePublicIpAddress: flag,
  DeleteOnTermination: flag,
  Description: text,
  DeviceIndex: needed(whole),
  SecurityGroupId: list(text),
  SubnetId: text,
});

/** The parameters of RunInstances that the emulator models; every other one is refused as unknown. */
export const launchFields = {
  BlockDeviceMapping: list(disk),
  ClientToken: text,
  CreditSpecification: group({ CpuCredits: needed(oneOf('standard', 'unlimited')) }),
  DisableApiTermination: flag,
  DryRun: flag,
  EbsOptimized: flag,
  IamInstanceProfile: group({ Arn: text, Name: text }),
  ImageId: needed(text),
  InstanceInitiatedShutdownBehavior: oneOf('stop', 'terminate'),
  InstanceMarketOptions: group({
    MarketType: needed(oneOf('spot')),
    SpotOptions: group({
      InstanceInterruptionBehavior: oneOf('stop', 'terminate'),
      MaxPrice: text,
      SpotInstanceType: oneOf('one-time', 'persistent'),
    }),
  }),
  InstanceType: needed(text),
  KeyName: text,
  MaxCount: needed(whole),
  MetadataOptions: group({
    HttpEndpoint: oneOf('enabled', 'disabled'),
    HttpProtocolIpv6: oneOf('enabled', 'disabled'),
    HttpPutResponseHopLimit: whole,
    HttpTokens: oneOf('optional', 'required'),
    InstanceMetadataTags: oneOf('enabled', 'disabled'),
  }),
  MinCount: needed(whole),
  Monitoring: group({ Enabled: needed(flag) }),
  NetworkInterface: list(networkCard),
  Placement: group({ AvailabilityZone: text, Tenancy: oneOf('default') }),
  SecurityGroupId: list(text),
  SubnetId: text,
  TagSpecification: tagSpecifications('instance', 'volume', 'network-interface', 'spot-instances-request'),
  UserData: text,
};

export type LaunchParameters = GroupOf<typeof launchFields>;
export type DiskParameters = LaunchParameters['BlockDeviceMapping'][number];
export type CardParameters = LaunchParameters['NetworkInterface'][number];
