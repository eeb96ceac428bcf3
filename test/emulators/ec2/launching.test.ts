import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeVolumesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import {
  A_WHILE_MS,
  ARM_IMAGE,
  GUESTS_GROUP,
  launchInput,
  startEc2,
  SUBNET_A,
  SUBNET_B,
} from './emulated-ec2.ts';

describe('a client token', () => {
  test('launches nothing when it is sent again, and answers what it launched', async () => {
    const ec2 = await startEc2();
    const input = { MinCount: 2, MaxCount: 2, ClientToken: 'attempt-1' };
    const first = await ec2.launch(input);
    const again = await ec2.launch(input);
    expect(again.map((each) => each.InstanceId)).toEqual(first.map((each) => each.InstanceId));
    expect(ec2.emulator.state().launched).toBe(2);
    expect(ec2.calls('RunInstances').map((call) => call.token)).toEqual(['attempt-1', 'attempt-1']);
  });

  test('is refused with other parameters', async () => {
    const ec2 = await startEc2();
    await ec2.launch({ ClientToken: 'attempt-1' });
    const other = ec2.launch({ ClientToken: 'attempt-1', InstanceType: 't3.medium' });
    await expect(other).rejects.toMatchObject({
      name: 'IdempotentParameterMismatch',
      $metadata: { httpStatusCode: 400 },
    });
    expect(ec2.emulator.state().launched).toBe(1);
  });

  test('holds in one zone only where the request names a subnet', async () => {
    const ec2 = await startEc2();
    await ec2.launch({ ClientToken: 'attempt-1', SubnetId: SUBNET_A });
    await ec2.launch({ ClientToken: 'attempt-1', SubnetId: SUBNET_B });
    expect(ec2.emulator.state().launched).toBe(2);
  });

  test('answers a deleted instance rather than launching another one', async () => {
    const ec2 = await startEc2();
    const [id] = await ec2.launchRunning(1, { ClientToken: 'attempt-1' });
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id ?? ''] }));
    ec2.clock.advance(A_WHILE_MS);
    const [again] = await ec2.launch({ ClientToken: 'attempt-1' });
    expect(again).toMatchObject({ InstanceId: id, State: { Name: 'terminated' } });
  });

  test('that is longer than 64 characters is refused', async () => {
    const ec2 = await startEc2();
    await expect(ec2.launch({ ClientToken: 'x'.repeat(65) })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
  });
});

describe('the number of instances', () => {
  test('is what there is room for, at least MinCount', async () => {
    const capacity = [{ instanceType: 't3.micro', zone: 'eu-west-1a', atMost: 3 }];
    const ec2 = await startEc2({ capacity });
    const launched = await ec2.launch({ MinCount: 1, MaxCount: 5, SubnetId: SUBNET_A });
    expect(launched).toHaveLength(3);
  });

  test('is none at all where there is room for less than MinCount', async () => {
    const ec2 = await startEc2();
    ec2.emulator.limitCapacity({ instanceType: 't3.micro', zone: 'eu-west-1a', atMost: 3 });
    const refused = ec2.launch({ MinCount: 4, MaxCount: 5, SubnetId: SUBNET_A });
    await expect(refused).rejects.toMatchObject({
      name: 'InsufficientInstanceCapacity',
      $metadata: { httpStatusCode: 500 },
    });
    expect(ec2.emulator.state()).toMatchObject({ launched: 0, resources: { disks: [], networkCards: [] } });
  });

  test('is limited by the quota of vCPUs', async () => {
    const ec2 = await startEc2({ quota: { onDemandVcpus: 5 } });
    expect(await ec2.launch({ MinCount: 1, MaxCount: 9 })).toHaveLength(2);
    await expect(ec2.launch()).rejects.toMatchObject({
      name: 'VcpuLimitExceeded',
      $metadata: { httpStatusCode: 400 },
    });
  });

  test.each([
    [0, 1],
    [3, 2],
    [1, 1001],
  ])('is refused from %i to %i', async (MinCount, MaxCount) => {
    const ec2 = await startEc2();
    await expect(ec2.launch({ MinCount, MaxCount })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });
});

describe('a launched instance', () => {
  test('cannot be seen at once', async () => {
    const ec2 = await startEc2({ hiddenDescribes: 2 });
    const [launched] = await ec2.launch({ ClientToken: 'attempt-1' });
    const byId = new DescribeInstancesCommand({ InstanceIds: [launched?.InstanceId ?? ''] });
    const byToken = new DescribeInstancesCommand({
      Filters: [{ Name: 'client-token', Values: ['attempt-1'] }],
    });
    ec2.clock.advance(A_WHILE_MS);
    await expect(ec2.client.send(byId)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    expect((await ec2.client.send(byToken)).Reservations).toEqual([]);
    expect((await ec2.client.send(byToken)).Reservations).toHaveLength(1);
    expect((await ec2.client.send(byId)).Reservations).toHaveLength(1);
  });

  test('cannot be seen before its time, not even to delete it', async () => {
    const ec2 = await startEc2();
    const ids = (await ec2.launch()).map((each) => each.InstanceId ?? '');
    const remove = new TerminateInstancesCommand({ InstanceIds: ids });
    await expect(ec2.client.send(remove)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    ec2.clock.advance(A_WHILE_MS);
    expect((await ec2.client.send(remove)).TerminatingInstances).toHaveLength(1);
  });

  test('has the tags, disks and network card that were asked for', async () => {
    const ec2 = await startEc2();
    const tags = (owner: string) => [{ Key: 'owner', Value: owner }];
    const [launched] = await ec2.launch({
      NetworkInterfaces: [
        { DeviceIndex: 0, SubnetId: SUBNET_B, Groups: [GUESTS_GROUP], AssociatePublicIpAddress: true },
      ],
      BlockDeviceMappings: [
        { DeviceName: '/dev/sda1', Ebs: { VolumeSize: 20 } },
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 5 } },
      ],
      TagSpecifications: [
        { ResourceType: 'instance', Tags: tags('i') },
        { ResourceType: 'volume', Tags: tags('v') },
        { ResourceType: 'network-interface', Tags: tags('n') },
      ],
      KeyName: 'drover',
      IamInstanceProfile: { Name: 'drover-guest' },
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 2 },
      UserData: Buffer.from('#!/bin/sh\n').toString('base64'),
    });
    expect(launched).toMatchObject({
      Placement: { AvailabilityZone: 'eu-west-1b' },
      Tags: tags('i'),
      SecurityGroups: [{ GroupId: GUESTS_GROUP, GroupName: 'guests' }],
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 2 },
      State: { Code: 0, Name: 'pending' },
    });
    expect(launched?.LaunchTime).toBeInstanceOf(Date);
    expect(launched?.PrivateIpAddress).toMatch(/^127\.77\./);
    expect(launched?.PublicIpAddress).toMatch(/^198\.18\./);

    const { Volumes = [] } = await ec2.client.send(new DescribeVolumesCommand({}));
    const sizes = Object.fromEntries(Volumes.map((each) => [each.Attachments?.[0]?.Device, each]));
    expect(sizes).toMatchObject({
      '/dev/sda1': { Size: 20, Tags: tags('v'), Attachments: [{ DeleteOnTermination: true }] },
      '/dev/sdb': { Size: 5, Tags: tags('v'), Attachments: [{ DeleteOnTermination: false }] },
    });
    const { NetworkInterfaces } = await ec2.client.send(new DescribeNetworkInterfacesCommand({}));
    expect(NetworkInterfaces).toMatchObject([
      { TagSet: tags('n'), Status: 'in-use', Association: { PublicIp: launched?.PublicIpAddress } },
    ]);
  });

  test('that could not be launched ends without having run', async () => {
    const ec2 = await startEc2();
    ec2.faults.add({ kind: 'operation-failed', operation: 'RunInstances', times: 1, code: 'InternalError' });
    const [id = ''] = await ec2.launchRunning(1);
    const { Reservations } = await ec2.client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    expect(Reservations?.[0]?.Instances?.[0]).toMatchObject({
      State: { Name: 'terminated' },
      StateReason: { Code: 'Server.InternalError' },
    });
    expect(ec2.effects(id)).toEqual(['launched', 'deleted']);
  });
});

describe('a launch is refused', () => {
  test.each([
    ['of an unknown image', { ImageId: 'ami-00000000000000000' }, 'InvalidAMIID.NotFound'],
    ['of a malformed image', { ImageId: 'golden' }, 'InvalidAMIID.Malformed'],
    ['of an unknown subnet', { SubnetId: 'subnet-00000000000000000' }, 'InvalidSubnetID.NotFound'],
    ['of an unknown security group', { SecurityGroupIds: ['sg-00000000000000000'] }, 'InvalidGroup.NotFound'],
    ['of an unknown key', { KeyName: 'nobody' }, 'InvalidKeyPair.NotFound'],
    ['of an unknown type', { InstanceType: 'a9.huge' as 't3.micro' }, 'InvalidParameterValue'],
    ['of another architecture', { ImageId: ARM_IMAGE }, 'InvalidParameterValue'],
    [
      'where the zone does not offer the type',
      { ImageId: ARM_IMAGE, InstanceType: 'm7g.large', Placement: { AvailabilityZone: 'eu-west-1c' } },
      'Unsupported',
    ],
    [
      'where zone and subnet differ',
      { SubnetId: SUBNET_B, Placement: { AvailabilityZone: 'eu-west-1a' } },
      'InvalidParameterValue',
    ],
    [
      'of a subnet beside network interfaces',
      { SubnetId: SUBNET_A, NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: SUBNET_A }] },
      'InvalidParameterCombination',
    ],
    ['of user data that is not base64', { UserData: '#!/bin/sh' }, 'InvalidUserData.Malformed'],
    ['by launch template', { LaunchTemplate: { LaunchTemplateId: 'lt-1' } }, 'UnknownParameter'],
    [
      'of a reserved tag',
      { TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'aws:x', Value: '' }] }] },
      'InvalidParameterValue',
    ],
    ['as a dry run, although it would do', { DryRun: true }, 'DryRunOperation'],
  ] as const)('%s', async (_what, input, code) => {
    const ec2 = await startEc2();
    const refused = ec2.client.send(new RunInstancesCommand(launchInput({ ...input } as never)));
    await expect(refused).rejects.toMatchObject({ name: code });
    expect(ec2.emulator.state()).toMatchObject({ launched: 0, calls: { RunInstances: 1 } });
  });
});
