import { describe, expect, it } from 'vitest';
import { Value } from 'typebox/value';
import type { Json } from '../../../src/fleet/provider.ts';
import { awsPlacementSchema, specOf } from '../../../src/providers/aws-ec2/placement.ts';
import type { AwsPlacement } from '../../../src/providers/aws-ec2/placement.ts';
import { toLaunched, toRunInstances, toSighting } from '../../../src/providers/aws-ec2/translate.ts';
import { expectFleetError, launchCall } from '../contract-driver.ts';

const spec: AwsPlacement = {
  region: 'eu-west-1',
  subnetId: 'subnet-1',
  securityGroupIds: ['sg-1', 'sg-2'],
  imageId: 'ami-1',
  instanceType: 'm7i.large',
  address: 'private',
};
const placement = { pool: 'linux', name: 'ireland', provider: 'aws-ec2', spec };

describe('a launch', () => {
  const call = launchCall({ placement }, 7);

  it('asks for as many as there is room for, under the batch as client token', () => {
    const input = toRunInstances(call, spec, 'ours');
    expect(input).toMatchObject({
      ClientToken: call.batch,
      MinCount: 1,
      MaxCount: 7,
      InstanceType: 'm7i.large',
    });
  });

  it('is said in the same words on every replay', () => {
    expect(toRunInstances({ ...call, handle: { instances: [] } }, spec, 'ours')).toEqual(
      toRunInstances(call, spec, 'ours'),
    );
  });

  it('marks instances, volumes and network interfaces as ours', () => {
    const input = toRunInstances(call, { ...spec, tags: { team: 'blue' } }, 'ours');
    const kinds = input.TagSpecifications?.map((each) => each.ResourceType);
    expect(kinds).toEqual(['instance', 'volume', 'network-interface']);
    for (const { Tags } of input.TagSpecifications ?? []) {
      expect(Object.fromEntries((Tags ?? []).map((tag) => [tag.Key, tag.Value]))).toEqual({
        team: 'blue',
        Name: 'ours/linux',
        'drover:installation': 'ours',
        'drover:pool': 'linux',
        'drover:placement': 'ireland',
        'drover:batch': call.batch,
      });
    }
  });

  it('says of every network interface whether it is public, and that it goes with its instance', () => {
    const own = { DeviceIndex: 0, SubnetId: 'subnet-1', Groups: ['sg-1', 'sg-2'], DeleteOnTermination: true };
    const isPrivate = toRunInstances(call, spec, 'ours');
    expect(isPrivate.NetworkInterfaces).toEqual([{ ...own, AssociatePublicIpAddress: false }]);
    const isPublic = toRunInstances(call, { ...spec, address: 'public' }, 'ours');
    expect(isPublic.NetworkInterfaces).toEqual([{ ...own, AssociatePublicIpAddress: true }]);
  });

  it('carries what else a placement says', () => {
    const input = toRunInstances(
      call,
      {
        ...spec,
        zone: 'eu-west-1a',
        keyName: 'key',
        userData: '#!/bin/sh',
        iamInstanceProfile: 'guest',
        volumeSizeGiB: 40,
        rootDeviceName: '/dev/sda1',
        spot: true,
      },
      'ours',
    );
    expect(input).toMatchObject({
      Placement: { AvailabilityZone: 'eu-west-1a' },
      KeyName: 'key',
      UserData: Buffer.from('#!/bin/sh').toString('base64'),
      IamInstanceProfile: { Name: 'guest' },
      BlockDeviceMappings: [{ DeviceName: '/dev/sda1', Ebs: { VolumeSize: 40, DeleteOnTermination: true } }],
      InstanceMarketOptions: { MarketType: 'spot', SpotOptions: { SpotInstanceType: 'one-time' } },
    });
    const byArn = toRunInstances(call, { ...spec, iamInstanceProfile: 'arn:aws:iam::1:x' }, 'ours');
    expect(byArn.IamInstanceProfile).toEqual({ Arn: 'arn:aws:iam::1:x' });
  });
});

describe('a placement', () => {
  it.each<[string, Json]>([
    ['a field that does not exist', { ...spec, zones: 'a' }],
    ['no address kind', { ...spec, address: 'any' }],
    ['no security group', { ...spec, securityGroupIds: [] }],
    ['a tag of ours', { ...spec, tags: { 'drover:pool': 'other' } }],
    ["a tag of Amazon's", { ...spec, tags: { 'aws:x': 'y' } }],
    ['a volume size without the device it is for', { ...spec, volumeSizeGiB: 40 }],
  ])('with %s is refused with the reason', (_, odd) => {
    let thrown: unknown;
    try {
      specOf({ ...placement, spec: odd });
    } catch (error) {
      thrown = error;
    }
    const error = expectFleetError(thrown, { code: 'invalid', remedy: 'give-up' });
    expect(error.message).toMatch(/ireland.*linux.*: ./);
  });

  it('describes each of its fields', () => {
    expect(Value.Check(awsPlacementSchema, spec)).toBe(true);
    for (const [name, field] of Object.entries(awsPlacementSchema.properties)) {
      const description = 'description' in field ? field.description : '';
      expect(`${name}: ${String(description)}`).toMatch(/: .{10,}/);
    }
  });
});

describe('an instance', () => {
  const seen = (state: string, addresses: { PrivateIpAddress?: string; PublicIpAddress?: string } = {}) => {
    const Name = state as 'running';
    const sighting = toSighting({ InstanceId: 'i-1', State: { Name }, ...addresses });
    if (sighting === undefined) throw new Error('It has an id.');
    return sighting;
  };

  it.each([
    ['pending', 'pending', 'pending'],
    ['running', 'running', 'running'],
    ['stopping', 'stopping', 'pending'],
    ['stopped', 'stopped', 'pending'],
    ['shutting-down', 'deleting', 'pending'],
    ['terminated', 'gone', 'gone'],
    ['something new', 'unknown', 'pending'],
  ])('that is %s is %s in an inventory and %s in a launch', (state, inInventory, inLaunch) => {
    const sighting = seen(state, { PrivateIpAddress: '10.0.0.1' });
    expect(sighting.state).toBe(inInventory);
    expect(toLaunched(sighting, spec).state).toBe(inLaunch);
  });

  it('is not yet running without the address that its placement asks for', () => {
    const sighting = seen('running', { PrivateIpAddress: '10.0.0.1' });
    const launched = toLaunched(sighting, { ...spec, address: 'public' });
    expect(launched).toEqual({ instance: 'i-1', state: 'pending', address: null });
  });

  it('without an id is none', () => {
    expect(toSighting({})).toBeUndefined();
  });
});
