import { EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';
import type { _InstanceType } from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LeftOver, Provider } from '../../../src/fleet/provider.ts';
import { deadlineSignal, refusalOf } from '../contract-driver.ts';
import { createEmulatedEc2, CREDENTIALS } from './emulated-ec2.ts';
import type { EmulatedEc2 } from './emulated-ec2.ts';

let ec2: EmulatedEc2;
let client: EC2Client;
let provider: Provider;

beforeEach(async () => {
  ec2 = await createEmulatedEc2();
  const { endpoint } = ec2;
  client = new EC2Client({ region: ec2.emulator.catalogue.region, endpoint, credentials: CREDENTIALS });
  provider = ec2.providerOf('ours', { visibilityDelayMs: 0 });
});
afterEach(async () => {
  client.destroy();
  await ec2.close();
});

/** An instance whose second disk and network card are to stay behind, made under these tags. */
async function launchKeeping(installation: string): Promise<string> {
  const spec = ec2.placement.spec as Record<string, string> & { securityGroupIds: string[] };
  const tags = {
    'drover:installation': installation,
    'drover:pool': ec2.placement.pool,
    'drover:placement': ec2.placement.name,
  };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const launch = new RunInstancesCommand({
    ...{
      MinCount: 1,
      MaxCount: 1,
      ImageId: spec['imageId'],
      InstanceType: spec['instanceType'] as _InstanceType,
    },
    BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 8, DeleteOnTermination: false } }],
    NetworkInterfaces: [
      {
        ...{ DeviceIndex: 0, SubnetId: spec['subnetId'], Groups: spec.securityGroupIds },
        DeleteOnTermination: false,
      },
    ],
    TagSpecifications: (['instance', 'volume', 'network-interface'] as const).map((ResourceType) => ({
      ...{ ResourceType, Tags },
    })),
  });
  const { Instances } = await client.send(launch);
  const id = Instances?.[0]?.InstanceId ?? '';
  return id;
}

async function listed(from: Provider = provider): Promise<readonly LeftOver[]> {
  return (await from.inventory(ec2.placement, deadlineSignal())).leftOvers;
}

const remove = (leftOver: LeftOver): Promise<void> =>
  provider.deleteLeftOver(ec2.placement, leftOver, deadlineSignal());

it('is listed once its instance is gone, to whoever owns it, and deleted', async () => {
  const instances = [await launchKeeping('ours'), await launchKeeping('theirs')];
  expect(await listed()).toEqual([]);
  for (const id of instances) ec2.emulator.evict(id, 'vanish');
  const leftOvers = await listed();
  expect(leftOvers.map(({ kind }) => kind).toSorted()).toEqual(['disk', 'network-card']);
  for (const leftOver of leftOvers) await remove(leftOver);
  expect(await listed()).toEqual([]);
  const { disks, networkCards } = ec2.emulator.state().resources;
  expect([disks, networkCards]).toMatchObject([[expect.any(String)], [expect.any(String)]]);
  expect(await listed(ec2.providerOf('theirs', { visibilityDelayMs: 0 }))).toHaveLength(2);
});

it('may be deleted twice', async () => {
  ec2.emulator.evict(await launchKeeping('ours'), 'vanish');
  const leftOvers = await listed();
  expect(leftOvers).toHaveLength(2);
  for (const leftOver of [...leftOvers, ...leftOvers]) await remove(leftOver);
  expect(ec2.calls('DeleteVolume').map(({ status }) => status)).toEqual([200, 400]);
});

it('is refused where an instance has it after all', async () => {
  await launchKeeping('ours');
  const { disks, networkCards } = ec2.emulator.state().resources;
  const refusal = { code: 'wrong-state', remedy: 'retry', maybeExecuted: false } as const;
  await refusalOf(remove({ kind: 'disk', id: disks[0] ?? '' }), refusal);
  await refusalOf(remove({ kind: 'network-card', id: networkCards[0] ?? '' }), refusal);
  expect(ec2.emulator.state().resources).toEqual({ disks, networkCards, addresses: [] });
});

it('is never an address: those given to instances go with them', async () => {
  const before = ec2.calls().length;
  await refusalOf(remove({ kind: 'address', id: 'eipalloc-1' }), { code: 'invalid', remedy: 'give-up' });
  expect(ec2.calls()).toHaveLength(before);
});

it('is deleted within the budget for it', async () => {
  ec2.emulator.evict(await launchKeeping('ours'), 'vanish');
  const [disk] = await listed();
  if (disk === undefined) throw new Error('nothing is left over');
  ec2.faults.add({ kind: 'throttled', operation: 'DeleteVolume', times: 1 });
  const throttled = { code: 'throttled', remedy: 'retry-later' } as const;
  await refusalOf(remove(disk), throttled);
  // Nobody asks again before the time that the cloud was given.
  await refusalOf(remove(disk), throttled);
  expect(ec2.calls('DeleteVolume')).toHaveLength(1);
  ec2.passBudgetMs(1000);
  await remove(disk);
});
