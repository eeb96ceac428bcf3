import {
  CreateReplaceRootVolumeTaskCommand,
  DescribeInstancesCommand,
  DescribeReplaceRootVolumeTasksCommand,
  DescribeVolumesCommand,
  TerminateInstancesCommand,
  type CreateReplaceRootVolumeTaskCommandInput,
  type ReplaceRootVolumeTask,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { A_WHILE_MS, ARM_IMAGE, NEXT_IMAGE, startEc2, until, type EmulatedEc2 } from './emulated-ec2.ts';
import { answersTcp, askGuest } from './guest-probe.ts';

type Wish = Partial<CreateReplaceRootVolumeTaskCommandInput>;

async function replaceRoot(
  ec2: EmulatedEc2,
  id: string,
  wish: Wish = {},
): Promise<ReplaceRootVolumeTask | undefined> {
  const input = { InstanceId: id, ...wish };
  return (await ec2.client.send(new CreateReplaceRootVolumeTaskCommand(input))).ReplaceRootVolumeTask;
}

async function taskState(
  ec2: EmulatedEc2,
  task: ReplaceRootVolumeTask | undefined,
): Promise<string | undefined> {
  const ids = [task?.ReplaceRootVolumeTaskId ?? ''];
  const input = { ReplaceRootVolumeTaskIds: ids };
  return (await ec2.client.send(new DescribeReplaceRootVolumeTasksCommand(input))).ReplaceRootVolumeTasks?.[0]
    ?.TaskState;
}

/** The states that it goes through in the next minute, each one once. */
async function taskStates(
  ec2: EmulatedEc2,
  task: ReplaceRootVolumeTask | undefined,
): Promise<(string | undefined)[]> {
  const states = new Set<string | undefined>();
  for (let second = 0; second < 60; second += 1) {
    states.add(await taskState(ec2, task));
    ec2.clock.advance(1000);
  }
  return [...states];
}

async function disksOf(ec2: EmulatedEc2, id: string): Promise<(string | undefined)[]> {
  const { Reservations } = await ec2.client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const mappings = Reservations?.[0]?.Instances?.[0]?.BlockDeviceMappings ?? [];
  return mappings.map((mapping) => mapping.Ebs?.VolumeId);
}

describe('replacing a root disk', () => {
  test('reboots the instance with a new disk, step by step', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const [before] = await disksOf(ec2, id);
    const task = await replaceRoot(ec2, id, { DeleteReplacedRootVolume: true, ClientToken: 'reset-1' });
    expect(task).toMatchObject({ TaskState: 'pending', InstanceId: id, DeleteReplacedRootVolume: true });
    ec2.clock.advance(3000);
    expect(await taskState(ec2, task)).toBe('in-progress');
    ec2.clock.advance(A_WHILE_MS);
    expect(await taskState(ec2, task)).toBe('succeeded');
    const [after] = await disksOf(ec2, id);
    expect(after).not.toBe(before);
    expect(ec2.emulator.state()).toMatchObject({ resets: 1, resources: { disks: [after] } });
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'reset']);
  });

  test('lets the guest answer again only after the reboot', async () => {
    const ec2 = await startEc2();
    const [launched] = await ec2.launch();
    const guest = { address: launched?.PrivateIpAddress ?? '', port: ec2.guestPort };
    ec2.clock.advance(A_WHILE_MS);
    await until(() => answersTcp(guest));
    await replaceRoot(ec2, launched?.InstanceId ?? '');
    ec2.clock.advance(3000);
    await until(async () => !(await answersTcp(guest)));
    ec2.clock.advance(A_WHILE_MS);
    await until(() => answersTcp(guest));
    expect(await askGuest(guest)).toEqual({ instance: launched?.InstanceId, boots: 2 });
  });

  test('leaves the replaced disk behind unless told otherwise', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const [before] = await disksOf(ec2, id);
    await replaceRoot(ec2, id);
    ec2.clock.advance(A_WHILE_MS);
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    const { Volumes } = await ec2.client.send(new DescribeVolumesCommand({}));
    expect(Volumes).toMatchObject([{ VolumeId: before, State: 'available' }]);
  });

  test('can take another image of the same architecture', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    await expect(replaceRoot(ec2, id, { ImageId: ARM_IMAGE })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
    const task = await replaceRoot(ec2, id, { ImageId: NEXT_IMAGE });
    expect(task?.ImageId).toBe(NEXT_IMAGE);
    ec2.clock.advance(A_WHILE_MS);
    expect(await taskState(ec2, task)).toBe('succeeded');
  });

  test('is answered by the same task under the same token, and refused with other parameters', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const task = await replaceRoot(ec2, id, { ClientToken: 'reset-1' });
    const again = await replaceRoot(ec2, id, { ClientToken: 'reset-1' });
    expect(again?.ReplaceRootVolumeTaskId).toBe(task?.ReplaceRootVolumeTaskId);
    const other = replaceRoot(ec2, id, { ClientToken: 'reset-1', DeleteReplacedRootVolume: true });
    await expect(other).rejects.toMatchObject({ name: 'IdempotentParameterMismatch' });
    await expect(replaceRoot(ec2, id)).rejects.toMatchObject({ name: 'IncorrectState' });
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().resets).toBe(1);
  });

  test('that fails keeps the old disk and reboots it dirty', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const before = await disksOf(ec2, id);
    ec2.faults.add({
      kind: 'operation-failed',
      operation: 'CreateReplaceRootVolumeTask',
      times: 1,
      code: 'failed',
    });
    const task = await replaceRoot(ec2, id);
    expect(await taskStates(ec2, task)).toEqual(['pending', 'in-progress', 'failing', 'failed']);
    expect(await disksOf(ec2, id)).toEqual(before);
    expect(ec2.emulator.state().resets).toBe(0);
    expect(ec2.effects(id)).toEqual(['launched', 'running']);
  });

  test('can fail so that there is no root disk at all', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const code = 'failed-detached';
    ec2.faults.add({ kind: 'operation-failed', operation: 'CreateReplaceRootVolumeTask', times: 1, code });
    const task = await replaceRoot(ec2, id);
    const states = ['pending', 'in-progress', 'failing-detached', 'failed-detached'];
    expect(await taskStates(ec2, task)).toEqual(states);
    expect(await disksOf(ec2, id)).toEqual([]);
  });

  test('fails where the instance is deleted meanwhile', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    const task = await replaceRoot(ec2, id);
    ec2.clock.advance(3000);
    await ec2.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    ec2.clock.advance(A_WHILE_MS);
    expect(await taskState(ec2, task)).toBe('failed');
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'deleted']);
    expect(ec2.emulator.state().resources.disks).toEqual([]);
  });

  test('starts later where it takes effect late', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    ec2.faults.add({
      kind: 'late-effect',
      operation: 'CreateReplaceRootVolumeTask',
      times: 1,
      delayMs: 300_000,
    });
    const task = await replaceRoot(ec2, id);
    ec2.clock.advance(200_000);
    expect(await taskState(ec2, task)).toBe('pending');
    ec2.clock.advance(200_000);
    expect(await taskState(ec2, task)).toBe('succeeded');
  });

  test('is refused for an instance that does not run', async () => {
    const ec2 = await startEc2();
    const [launched] = await ec2.launch();
    ec2.clock.advance(3000);
    const refused = replaceRoot(ec2, launched?.InstanceId ?? '');
    await expect(refused).rejects.toMatchObject({ name: 'IncorrectInstanceState' });
  });
});
