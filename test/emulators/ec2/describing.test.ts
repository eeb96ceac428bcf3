import {
  CreateTagsCommand,
  DescribeAvailabilityZonesCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  paginateDescribeInstances,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type DescribeInstancesCommandInput,
  type Filter,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { A_WHILE_MS, startEc2, SUBNET_A, SUBNET_B, type EmulatedEc2 } from './emulated-ec2.ts';

async function list(ec2: EmulatedEc2, input: DescribeInstancesCommandInput): Promise<string[]> {
  const { Reservations = [] } = await ec2.client.send(new DescribeInstancesCommand(input));
  return Reservations.flatMap((each) => each.Instances ?? []).map((instance) => instance.InstanceId ?? '');
}

const filtered = (ec2: EmulatedEc2, ...Filters: Filter[]): Promise<string[]> => list(ec2, { Filters });

function tagged(value: string) {
  return {
    TagSpecifications: [{ ResourceType: 'instance' as const, Tags: [{ Key: 'installation', Value: value }] }],
  };
}

describe('filters of instances', () => {
  test('look at tags, tokens, addresses, places and states', async () => {
    const ec2 = await startEc2();
    const [ours = ''] = await ec2.launchRunning(1, {
      ...tagged('ours'),
      ClientToken: 't-1',
      SubnetId: SUBNET_A,
    });
    const [theirs = ''] = await ec2.launchRunning(1, {
      ...tagged('theirs'),
      ClientToken: 't-2',
      SubnetId: SUBNET_B,
    });
    const [bare = ''] = await ec2.launchRunning(1, { SubnetId: SUBNET_A });
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [theirs] }));
    ec2.clock.advance(A_WHILE_MS);
    const { Reservations } = await ec2.client.send(new DescribeInstancesCommand({ InstanceIds: [ours] }));
    const address = Reservations?.[0]?.Instances?.[0]?.PrivateIpAddress ?? '';

    const only = async (Name: string, ...Values: string[]) =>
      (await filtered(ec2, { Name, Values })).toSorted();
    expect(await only('tag:installation', 'ours')).toEqual([ours]);
    expect(await only('tag:installation', 'o*', 'thei?s')).toEqual([ours, theirs].toSorted());
    expect(await only('tag-key', 'installation')).toEqual([ours, theirs].toSorted());
    expect(await only('client-token', 't-2')).toEqual([theirs]);
    expect(await only('instance-id', bare)).toEqual([bare]);
    expect(await only('network-interface.private-ip-address', address)).toEqual([ours]);
    expect(await only('subnet-id', SUBNET_A)).toEqual([ours, bare].toSorted());
    expect(await only('availability-zone', 'eu-west-1b')).toEqual([theirs]);
    expect(await only('vpc-id', ec2.emulator.catalogue.vpc.id)).toHaveLength(3);
    expect(await only('instance-state-name', 'stopped', 'stopping')).toEqual([theirs]);
    const two = { Name: 'instance-state-name', Values: ['running'] };
    expect(await filtered(ec2, two, { Name: 'tag-key', Values: ['installation'] })).toEqual([ours]);
  });

  test('see a tag that was added later', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(
      new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'later', Value: 'yes <&> no' }] }),
    );
    expect(await filtered(ec2, { Name: 'tag:later', Values: ['yes <&> no'] })).toEqual([id]);
    const nobody = ec2.client.send(
      new CreateTagsCommand({ Resources: ['vol-1'], Tags: [{ Key: 'a', Value: '' }] }),
    );
    await expect(nobody).rejects.toMatchObject({ name: 'InvalidVolume.NotFound' });
  });

  test('are refused where unknown, empty or too many', async () => {
    const ec2 = await startEc2();
    const unknown = filtered(ec2, { Name: 'colour', Values: ['red'] });
    await expect(unknown).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(filtered(ec2, { Name: 'tag-key', Values: [] })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
    const Values = Array.from({ length: 201 }, (_each, index) => `i-${index}`);
    await expect(filtered(ec2, { Name: 'instance-id', Values })).rejects.toMatchObject({
      name: 'FilterLimitExceeded',
    });
  });
});

describe('pages of instances', () => {
  test('hold every instance once, although some come and go meanwhile', async () => {
    const ec2 = await startEc2();
    const ids = await ec2.launchRunning(12);
    const seen: string[] = [];
    for await (const page of paginateDescribeInstances({ client: ec2.client, pageSize: 5 }, {})) {
      const onPage = (page.Reservations ?? []).flatMap((each) => each.Instances ?? []);
      expect(onPage.length).toBeLessThanOrEqual(5);
      seen.push(...onPage.map((instance) => instance.InstanceId ?? ''));
      ec2.emulator.evict(seen[0] ?? '', 'vanish');
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });

  test('are refused in a wrong size, with ids, and from a token that nobody gave', async () => {
    const ec2 = await startEc2();
    const ids = await ec2.launchRunning(1);
    await expect(list(ec2, { MaxResults: 4 })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(list(ec2, { MaxResults: 1001 })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    const both = list(ec2, { MaxResults: 5, InstanceIds: ids });
    await expect(both).rejects.toMatchObject({ name: 'InvalidParameterCombination' });
    await expect(list(ec2, { NextToken: 'x' })).rejects.toMatchObject({ name: 'InvalidNextToken' });
  });

  test('put the instances of one launch into one reservation', async () => {
    const ec2 = await startEc2();
    await ec2.launchRunning(2);
    await ec2.launchRunning(1);
    const { Reservations = [] } = await ec2.client.send(new DescribeInstancesCommand({}));
    expect(new Set(Reservations.map((each) => each.Instances?.length))).toEqual(new Set([1, 2]));
    expect(Reservations).toHaveLength(2);
  });
});

describe('disks and network cards', () => {
  test('are found by instance, status and tag', async () => {
    const ec2 = await startEc2();
    const Tags = [{ Key: 'installation', Value: 'ours' }];
    const [id = '', other = ''] = await ec2.launchRunning(2, {
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 5 } }],
      TagSpecifications: [
        { ResourceType: 'volume', Tags },
        { ResourceType: 'network-interface', Tags },
      ],
    });
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [other] }));
    ec2.clock.advance(A_WHILE_MS);
    const disks = async (...Filters: Filter[]) =>
      (await ec2.client.send(new DescribeVolumesCommand({ Filters }))).Volumes?.length;
    const ours = { Name: 'tag:installation', Values: ['ours'] };
    expect(await disks(ours)).toBe(3);
    expect(await disks(ours, { Name: 'status', Values: ['available'] })).toBe(1);
    expect(await disks({ Name: 'attachment.instance-id', Values: [id] })).toBe(2);
    const cards = await ec2.client.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [ours, { Name: 'attachment.instance-id', Values: [id] }],
      }),
    );
    expect(cards.NetworkInterfaces).toHaveLength(1);
  });
});

describe('what the account has from the start', () => {
  test('can be looked up', async () => {
    const ec2 = await startEc2();
    const { Subnets } = await ec2.client.send(new DescribeSubnetsCommand({ SubnetIds: [SUBNET_A] }));
    expect(Subnets).toMatchObject([{ AvailabilityZone: 'eu-west-1a', AvailableIpAddressCount: 16_379 }]);
    const zones = await ec2.client.send(new DescribeAvailabilityZonesCommand({ ZoneNames: ['eu-west-1b'] }));
    expect(zones.AvailabilityZones).toMatchObject([{ ZoneId: 'euw1-az2', State: 'available' }]);
    const images = await ec2.client.send(
      new DescribeImagesCommand({ Owners: ['self'], Filters: [{ Name: 'name', Values: ['windows-*'] }] }),
    );
    expect(images.Images).toMatchObject([
      { Platform: 'windows', BlockDeviceMappings: [{ Ebs: { VolumeSize: 60 } }] },
    ]);
    const types = await ec2.client.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['m7i.xlarge'] }));
    expect(types.InstanceTypes).toMatchObject([
      { VCpuInfo: { DefaultVCpus: 4 }, MemoryInfo: { SizeInMiB: 16_384 } },
    ]);
    const nowhere = ec2.client.send(new DescribeSubnetsCommand({ SubnetIds: ['subnet-1'] }));
    await expect(nowhere).rejects.toMatchObject({ name: 'InvalidSubnetID.NotFound' });
  });
});
