import {
  DeleteNetworkInterfaceCommand,
  DeleteVolumeCommand,
  DescribeInstancesCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeInstanceStatusCommand,
  DescribeNetworkInterfacesCommand,
  DescribeVolumesCommand,
  ModifyInstanceAttributeCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { A_WHILE_MS, startEc2, SUBNET_A, SUBNET_B, until, type EmulatedEc2 } from './emulated-ec2.ts';
import { answersTcp, askGuest } from './guest-probe.ts';

const HOUR_MS = 3_600_000;
const NOBODY = 'i-00000000000000000';

async function stateOf(ec2: EmulatedEc2, id: string): Promise<string | undefined> {
  const { Reservations } = await ec2.client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0]?.State?.Name;
}

describe('stopping', () => {
  test('takes its time, less of it without the operating system', async () => {
    const ec2 = await startEc2();
    const [slow = '', fast = ''] = await ec2.launchRunning(2);
    const answer = await ec2.client.send(new StopInstancesCommand({ InstanceIds: [slow] }));
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [fast], SkipOsShutdown: true }));
    expect(answer.StoppingInstances).toEqual([
      {
        InstanceId: slow,
        PreviousState: { Code: 16, Name: 'running' },
        CurrentState: { Code: 64, Name: 'stopping' },
      },
    ]);
    ec2.clock.advance(7000);
    expect([await stateOf(ec2, slow), await stateOf(ec2, fast)]).toEqual(['stopping', 'stopped']);
    ec2.clock.advance(A_WHILE_MS);
    expect(await stateOf(ec2, slow)).toBe('stopped');
    expect(ec2.effects(slow)).toEqual(['launched', 'running', 'stopped']);
  });

  test('by force hurries one that is stopping already', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id], Force: true }));
    ec2.clock.advance(7000);
    expect(await stateOf(ec2, id)).toBe('stopped');
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'stopped']);
  });

  test('a stopped one again changes nothing', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const stop = new StopInstancesCommand({ InstanceIds: [id] });
    await ec2.client.send(stop);
    ec2.clock.advance(A_WHILE_MS);
    expect((await ec2.client.send(stop)).StoppingInstances).toMatchObject([
      { CurrentState: { Name: 'stopped' } },
    ]);
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'stopped']);
  });

  test('is refused for all where one is deleted', async () => {
    const ec2 = await startEc2();
    const [gone = '', running = ''] = await ec2.launchRunning(2);
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [gone] }));
    ec2.clock.advance(A_WHILE_MS);
    const stop = ec2.client.send(new StopInstancesCommand({ InstanceIds: [running, gone] }));
    await expect(stop).rejects.toMatchObject({ name: 'IncorrectInstanceState' });
    expect(await stateOf(ec2, running)).toBe('running');
  });

  test('is refused for a one-time spot instance', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1, { InstanceMarketOptions: { MarketType: 'spot' } });
    const stop = ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await expect(stop).rejects.toMatchObject({ name: 'UnsupportedOperation' });
  });

  test('gives the public address back, and starting takes another one', async () => {
    const ec2 = await startEc2();
    const card = { DeviceIndex: 0, SubnetId: SUBNET_A, AssociatePublicIpAddress: true };
    const [id = ''] = await ec2.launchRunning(1, { NetworkInterfaces: [card] });
    const [before] = ec2.emulator.state().resources.addresses;
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().resources.addresses).toEqual([]);
    await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    const [after] = ec2.emulator.state().resources.addresses;
    expect(after).toMatch(/^198\.18\./);
    expect(after).not.toBe(before);
  });
});

describe('starting', () => {
  test('boots a stopped instance again', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    const answer = await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    expect(answer.StartingInstances).toMatchObject([{ CurrentState: { Name: 'pending' } }]);
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'stopped', 'started', 'running']);
  });

  test('is refused while an instance stops, and for ever once it is deleted', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const start = new StartInstancesCommand({ InstanceIds: [id] });
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await expect(ec2.client.send(start)).rejects.toMatchObject({ name: 'IncorrectInstanceState' });
    ec2.clock.advance(A_WHILE_MS);
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await expect(ec2.client.send(start)).rejects.toMatchObject({ name: 'IncorrectInstanceState' });
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'stopped', 'deleted']);
  });

  test('finds no room that was given back and taken by another', async () => {
    const capacity = [{ instanceType: 't3.micro', zone: 'eu-west-1a', atMost: 1 }];
    const ec2 = await startEc2({ capacity });
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    await ec2.launchRunning(1);
    const start = ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await expect(start).rejects.toMatchObject({ name: 'InsufficientInstanceCapacity' });
  });

  test('a running one again changes nothing', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const answer = await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    expect(answer.StartingInstances).toMatchObject([{ CurrentState: { Name: 'running' } }]);
    expect(ec2.effects(id)).toEqual(['launched', 'running']);
  });

  test('that comes late does nothing to an instance that was deleted meanwhile', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    ec2.faults.add({ kind: 'late-effect', operation: 'StartInstances', times: 1, delayMs: 300_000 });
    await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(400_000);
    expect(await stateOf(ec2, id)).toBe('terminated');
  });

  test('that fails later leaves the instance stopped', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    ec2.faults.add({ kind: 'operation-failed', operation: 'StartInstances', times: 1 });
    await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    expect(await stateOf(ec2, id)).toBe('pending');
    ec2.clock.advance(A_WHILE_MS);
    expect(await stateOf(ec2, id)).toBe('stopped');
  });
});

describe('deleting', () => {
  test('takes root disk and network card along, leaves other disks, and can be seen for an hour', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1, {
      BlockDeviceMappings: [{ DeviceName: '/dev/sdb', Ebs: { VolumeSize: 5 } }],
    });
    const answer = await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    expect(answer.TerminatingInstances).toMatchObject([
      { CurrentState: { Code: 32, Name: 'shutting-down' } },
    ]);
    expect(ec2.emulator.state()).toMatchObject({ alive: [id], deleted: 0 });
    ec2.clock.advance(A_WHILE_MS);
    const { alive, deleted, resources } = ec2.emulator.state();
    expect({ alive, deleted, networkCards: resources.networkCards }).toEqual({
      alive: [],
      deleted: 1,
      networkCards: [],
    });
    const { Volumes } = await ec2.client.send(new DescribeVolumesCommand({}));
    expect(Volumes).toMatchObject([{ VolumeId: resources.disks[0], State: 'available', Size: 5 }]);

    expect(await stateOf(ec2, id)).toBe('terminated');
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(HOUR_MS);
    await expect(stateOf(ec2, id)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'deleted']);
  });

  test('deletes none where one id is bad', async () => {
    const ec2 = await startEc2();
    const ids = await ec2.launchRunning(2);
    const remove = ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [...ids, NOBODY] }));
    await expect(remove).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    const malformed = ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [...ids, 'i-nobody'] }));
    await expect(malformed).rejects.toMatchObject({ name: 'InvalidInstanceID.Malformed' });
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().alive).toEqual(ids);
  });

  test('keeps all of the zone in which one is protected, until it no longer is', async () => {
    const ec2 = await startEc2();
    const [locked = ''] = await ec2.launchRunning(1, { SubnetId: SUBNET_A, DisableApiTermination: true });
    const [neighbour = ''] = await ec2.launchRunning(1, { SubnetId: SUBNET_A });
    const [elsewhere = ''] = await ec2.launchRunning(1, { SubnetId: SUBNET_B });
    const remove = new TerminateInstancesCommand({ InstanceIds: [locked, neighbour, elsewhere] });
    await expect(ec2.client.send(remove)).rejects.toMatchObject({ name: 'OperationNotPermitted' });
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().alive).toEqual([locked, neighbour]);
    const unlock = { InstanceId: locked, DisableApiTermination: { Value: false } };
    await ec2.client.send(new ModifyInstanceAttributeCommand(unlock));
    await ec2.client.send(remove);
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().alive).toEqual([]);
  });

  test('of more than a thousand in one call is refused', async () => {
    const ec2 = await startEc2();
    const ids = await ec2.launchRunning(1);
    const InstanceIds = Array.from({ length: 1001 }, () => ids[0] ?? '');
    const remove = ec2.client.send(new TerminateInstancesCommand({ InstanceIds }));
    await expect(remove).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });

  test('leaves a card that was to stay, which can then be deleted, as a disk can', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1, {
      NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: SUBNET_A, DeleteOnTermination: false }],
      BlockDeviceMappings: [{ DeviceName: '/dev/sda1', Ebs: { DeleteOnTermination: false } }],
    });
    const { disks, networkCards } = ec2.emulator.state().resources;
    const removeDisk = new DeleteVolumeCommand({ VolumeId: disks[0] });
    const removeCard = new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: networkCards[0] });
    await expect(ec2.client.send(removeDisk)).rejects.toMatchObject({ name: 'VolumeInUse' });
    await expect(ec2.client.send(removeCard)).rejects.toMatchObject({
      name: 'InvalidNetworkInterface.InUse',
    });
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    const { NetworkInterfaces } = await ec2.client.send(new DescribeNetworkInterfacesCommand({}));
    expect(NetworkInterfaces).toMatchObject([{ NetworkInterfaceId: networkCards[0], Status: 'available' }]);
    await ec2.client.send(removeDisk);
    await ec2.client.send(removeCard);
    expect(ec2.emulator.state().resources).toEqual({ disks: [], networkCards: [], addresses: [] });
    await expect(ec2.client.send(removeDisk)).rejects.toMatchObject({ name: 'InvalidVolume.NotFound' });
    await expect(ec2.client.send(removeCard)).rejects.toMatchObject({
      name: 'InvalidNetworkInterfaceID.NotFound',
    });
  });
});

describe('a guest', () => {
  test('answers only while its instance runs and has booted', async () => {
    const ec2 = await startEc2();
    const [launched] = await ec2.launch();
    const id = launched?.InstanceId ?? '';
    const guest = { address: launched?.PrivateIpAddress ?? '', port: ec2.guestPort };
    ec2.clock.advance(10_000);
    expect(await stateOf(ec2, id)).toBe('running');
    expect(await answersTcp(guest)).toBe(false);
    ec2.clock.advance(A_WHILE_MS);
    await until(() => answersTcp(guest));
    expect(await askGuest(guest)).toEqual({ instance: id, boots: 1 });

    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await until(async () => !(await answersTcp(guest)));
    ec2.clock.advance(A_WHILE_MS);
    await ec2.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    await until(() => answersTcp(guest));
    expect(await askGuest(guest)).toEqual({ instance: id, boots: 2 });

    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await until(async () => !(await answersTcp(guest)));
  });

  test('that has not booted yet is reported as initializing', async () => {
    const ec2 = await startEc2();
    const [running] = await ec2.launchRunning(1);
    const [pending] = await ec2.launch();
    ec2.clock.advance(10_000);
    const { InstanceStatuses = [] } = await ec2.client.send(new DescribeInstanceStatusCommand({}));
    const statuses = Object.fromEntries(
      InstanceStatuses.map((each) => [each.InstanceId, each.InstanceStatus?.Status]),
    );
    expect(statuses).toEqual({ [running ?? '']: 'ok', [pending?.InstanceId ?? '']: 'initializing' });
  });
});

describe('a cloud that takes an instance back', () => {
  test('interrupts a spot instance and deletes it', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1, { InstanceMarketOptions: { MarketType: 'spot' } });
    expect(ec2.emulator.evict(id)).toBe(true);
    ec2.clock.advance(A_WHILE_MS);
    const { Reservations } = await ec2.client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    expect(Reservations?.[0]?.Instances).toMatchObject([
      {
        State: { Name: 'terminated' },
        StateReason: { Code: 'Server.SpotInstanceTermination' },
        InstanceLifecycle: 'spot',
      },
    ]);
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'evicted', 'deleted']);
    expect(ec2.emulator.evict(id)).toBe(false);
  });

  test('stops a persistent spot instance that asked for it', async () => {
    const ec2 = await startEc2();
    const SpotOptions = { SpotInstanceType: 'persistent', InstanceInterruptionBehavior: 'stop' } as const;
    const [id = ''] = await ec2.launchRunning(1, {
      InstanceMarketOptions: { MarketType: 'spot', SpotOptions },
    });
    ec2.emulator.evict(id);
    ec2.clock.advance(A_WHILE_MS);
    expect(await stateOf(ec2, id)).toBe('stopped');
  });

  test('announces that of a spot instance two minutes before', async () => {
    const ec2 = await startEc2();
    const [id = '', other = ''] = await ec2.launchRunning(2, {
      InstanceMarketOptions: { MarketType: 'spot' },
    });
    const [firm = ''] = await ec2.launchRunning(1);
    const statuses = async (Values: string[]) => {
      const Filters = [{ Name: 'status-code', Values }];
      const found = await ec2.client.send(new DescribeSpotInstanceRequestsCommand({ Filters }));
      return found.SpotInstanceRequests?.map(({ InstanceId, Status }) => [InstanceId, Status?.Code]);
    };
    expect(ec2.emulator.evict(firm, 'announce')).toBe(false);
    expect(await statuses(['marked-for-termination'])).toEqual([]);
    expect(ec2.emulator.evict(id, 'announce')).toBe(true);
    expect(await statuses(['marked-for-termination'])).toEqual([[id, 'marked-for-termination']]);
    expect(await statuses(['fulfilled'])).toEqual([[other, 'fulfilled']]);
    ec2.clock.advance(119_000);
    expect(await stateOf(ec2, id)).toBe('running');
    ec2.clock.advance(A_WHILE_MS);
    expect(await stateOf(ec2, id)).toBe('terminated');
    expect(await statuses(['instance-terminated-no-capacity'])).toEqual([
      [id, 'instance-terminated-no-capacity'],
    ]);
  });

  test('can make it vanish without a trace', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    expect(ec2.emulator.evict(id, 'vanish')).toBe(true);
    await expect(stateOf(ec2, id)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    expect(ec2.emulator.state()).toMatchObject({
      alive: [],
      deleted: 1,
      resources: { disks: [], networkCards: [] },
    });
    expect(ec2.emulator.evict(NOBODY)).toBe(false);
  });
});
