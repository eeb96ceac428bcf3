import {
  CreateReplaceRootVolumeTaskCommand,
  DescribeInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { createRequestLimits } from '../../../src/emulators/ec2/request-limits.ts';
import { createScaledClock } from '../../../src/emulators/scaled-clock.ts';
import { A_WHILE_MS, ACCESS_KEY_ID, createClient, startEc2, type EmulatedEc2 } from './emulated-ec2.ts';

const AUTHORIZATION = `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY_ID}/20270101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;

async function post(ec2: EmulatedEc2, form: string, authorization = AUTHORIZATION): Promise<string> {
  const response = await fetch(ec2.endpoint, { method: 'POST', body: form, headers: { authorization } });
  const code = /<Code>([^<]*)<\/Code>/.exec(await response.text())?.[1];
  return `${response.status} ${code}`;
}

describe('a request is refused', () => {
  test.each([
    ['Action=CreateFleet&Version=2016-11-15', '400 InvalidAction'],
    ['Version=2016-11-15', '400 InvalidAction'],
    ['Action=DescribeInstances&Version=2014-10-01', '400 NoSuchVersion'],
    ['Action=DescribeInstances&Version=2016-11-15&Colour=red', '400 UnknownParameter'],
    ['Action=DescribeInstances&Version=2016-11-15&InstanceId=i-1', '400 UnknownParameter'],
    ['Action=DescribeInstances&Version=2016-11-15&InstanceId.x=i-1', '400 UnknownParameter'],
    ['Action=DescribeInstances&Version=2016-11-15&MaxResults=many', '400 InvalidParameterValue'],
    ['Action=DescribeInstances&Version=2016-11-15&MaxResults=5&MaxResults=6', '400 InvalidQueryParameter'],
    ['Action=DescribeInstances&Version=2016-11-15&Filter..Name=x', '400 InvalidQueryParameter'],
    ['Action=TerminateInstances&Version=2016-11-15', '400 MissingParameter'],
    ['Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1&Force=perhaps', '400 InvalidParameterValue'],
  ])('%s', async (form, answer) => {
    const ec2 = await startEc2();
    expect(await post(ec2, form)).toBe(answer);
    expect(ec2.log.records()).toMatchObject([{ type: 'call', status: 400, code: answer.slice(4) }]);
  });

  test('without a signature, by an unknown key, and in another region', async () => {
    const ec2 = await startEc2();
    const form = 'Action=DescribeInstances&Version=2016-11-15';
    expect(await post(ec2, form)).toBe('200 undefined');
    expect(await post(ec2, form, 'Bearer x')).toBe('401 AuthFailure');
    for (const client of [
      createClient(ec2.endpoint, 'SOMEBODYELSE'),
      createClient(ec2.endpoint, ACCESS_KEY_ID, 'eu-central-1'),
    ]) {
      const describe = client.send(new DescribeInstancesCommand({}));
      await expect(describe).rejects.toMatchObject({
        name: 'AuthFailure',
        $metadata: { httpStatusCode: 401 },
      });
      client.destroy();
    }
  });
});

describe('token buckets', () => {
  test('let five launches pass at once and two more in each second of cloud time', async () => {
    const ec2 = await startEc2({ buckets: 'published' });
    for (let launch = 0; launch < 5; launch += 1) await ec2.launch();
    await expect(ec2.launch()).rejects.toMatchObject({
      name: 'RequestLimitExceeded',
      $metadata: { httpStatusCode: 503 },
    });
    ec2.clock.advance(1000);
    await ec2.launch();
    await ec2.launch();
    await expect(ec2.launch()).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
    expect(ec2.emulator.state()).toMatchObject({ launched: 7, throttled: 2, calls: { RunInstances: 9 } });
  });

  test('count instances as well as calls, but not those of a replay', async () => {
    const ec2 = await startEc2({ buckets: 'published' });
    await ec2.launch({ ClientToken: 'attempt-1' });
    await ec2.launch({ MinCount: 999, MaxCount: 999 });
    await ec2.launch({ ClientToken: 'attempt-1' });
    await expect(ec2.launch()).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
    ec2.clock.advance(500);
    await ec2.launch();
    expect(ec2.emulator.state().launched).toBe(1001);
  });

  test('are smaller for a list without filter and page', async () => {
    const ec2 = await startEc2({ buckets: 'published' });
    const bare = new DescribeInstancesCommand({});
    const paged = new DescribeInstancesCommand({ MaxResults: 1000 });
    for (let call = 0; call < 50; call += 1) await ec2.client.send(bare);
    await expect(ec2.client.send(bare)).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
    expect((await ec2.client.send(paged)).Reservations).toEqual([]);
  });

  test('refill by the scaled clock', () => {
    let realMs = 0;
    const clock = createScaledClock(100, () => realMs);
    const limits = createRequestLimits(() => clock.cloudMs());
    const start = (): void => limits.takeRequest('StartInstances', true);
    for (let call = 0; call < 5; call += 1) start();
    expect(start).toThrow('Request limit exceeded.');
    realMs += 4;
    expect(start).toThrow('Request limit exceeded.');
    realMs += 1;
    start();
    expect(start).toThrow('Request limit exceeded.');
  });
});

describe('an injected fault', () => {
  test('throttles a call', async () => {
    const ec2 = await startEc2();
    ec2.faults.add({ kind: 'throttled', operation: 'RunInstances', times: 1 });
    await expect(ec2.launch()).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
    await ec2.launch();
    expect(ec2.emulator.state()).toMatchObject({ launched: 1, throttled: 1, faults: { throttled: 1 } });
  });

  test('refuses a call with the status that the vendor sends', async () => {
    const ec2 = await startEc2();
    const fault = { kind: 'refused', operation: 'RunInstances', times: 1 } as const;
    ec2.faults.add({ ...fault, code: 'InsufficientInstanceCapacity' });
    ec2.faults.add({ ...fault, code: 'VcpuLimitExceeded' });
    await expect(ec2.launch()).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    await expect(ec2.launch()).rejects.toMatchObject({
      name: 'VcpuLimitExceeded',
      $metadata: { httpStatusCode: 400 },
    });
    expect(ec2.calls('RunInstances')).toMatchObject([{ fault: 'refused', status: 500 }, { status: 400 }]);
  });

  test('refuses the whole deletion because of one instance', async () => {
    const ec2 = await startEc2();
    const ids = await ec2.launchRunning(3);
    const [stubborn = ''] = ids;
    const remove = (InstanceIds: string[]) => ec2.client.send(new TerminateInstancesCommand({ InstanceIds }));
    const code = 'OperationNotPermitted';
    ec2.faults.add({ kind: 'refused', operation: 'TerminateInstances', times: 1, instance: stubborn, code });
    await remove(ids.slice(2));
    await expect(remove(ids.slice(0, 2))).rejects.toMatchObject({ name: code });
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().alive).toEqual(ids.slice(0, 2));
    await remove(ids.slice(0, 2));
    ec2.clock.advance(A_WHILE_MS);
    expect(ec2.emulator.state().alive).toEqual([]);
  });

  test('loses the reply of a launch that has happened, and the token finds it again', async () => {
    const ec2 = await startEc2();
    ec2.faults.add({ kind: 'lost-reply', operation: 'RunInstances', times: 1 });
    const lost = await ec2.launch({ ClientToken: 'attempt-1' }).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: 'ECONNRESET' });
    expect(ec2.emulator.state().launched).toBe(1);
    expect(ec2.calls('RunInstances')).toMatchObject([{ status: 0, fault: 'lost-reply', token: 'attempt-1' }]);
    const [found] = await ec2.launch({ ClientToken: 'attempt-1' });
    expect(ec2.emulator.state()).toMatchObject({ launched: 1, alive: [found?.InstanceId] });
  });

  test('delays a stop until after the instance was started again', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1);
    ec2.faults.add({ kind: 'late-effect', operation: 'StopInstances', times: 1, delayMs: 300_000 });
    const stop = new StopInstancesCommand({ InstanceIds: [id] });
    expect((await ec2.client.send(stop)).StoppingInstances).toMatchObject([
      { CurrentState: { Name: 'stopping' } },
    ]);
    ec2.clock.advance(200_000);
    expect(ec2.effects(id)).toEqual(['launched', 'running']);
    ec2.clock.advance(200_000);
    expect(ec2.effects(id)).toEqual(['launched', 'running', 'stopped']);
  });

  test('delays a launch whose token is taken at once', async () => {
    const ec2 = await startEc2();
    ec2.faults.add({ kind: 'late-effect', operation: 'RunInstances', times: 1, delayMs: 300_000 });
    const [launched] = await ec2.launch({ ClientToken: 'attempt-1' });
    const [again] = await ec2.launch({ ClientToken: 'attempt-1' });
    expect(again?.InstanceId).toBe(launched?.InstanceId);
    ec2.clock.advance(200_000);
    const describe = new DescribeInstancesCommand({ InstanceIds: [launched?.InstanceId ?? ''] });
    await expect(ec2.client.send(describe)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    expect(ec2.emulator.state().launched).toBe(0);
    ec2.clock.advance(200_000);
    expect((await ec2.client.send(describe)).Reservations).toHaveLength(1);
    expect(ec2.emulator.state().launched).toBe(1);
  });

  test('that could never hit is refused when it is added', async () => {
    const ec2 = await startEc2();
    const check = (kind: 'operation-failed' | 'late-effect', operation: string) => () =>
      ec2.emulator.checkFault({ kind, operation, times: 1 });
    expect(check('operation-failed', 'StopInstances')).toThrow('begins nothing that could fail');
    expect(check('late-effect', 'DescribeInstances')).toThrow('has no effect');
    expect(check('late-effect', 'CreateFleet')).toThrow('no EC2 action');
    expect(check('operation-failed', 'RunInstances')).not.toThrow();
  });
});

describe('the call log', () => {
  test('names the instances, the token and the answer of a call, and the call of each effect below it', async () => {
    const ec2 = await startEc2();
    const [id = ''] = await ec2.launchRunning(1, { ClientToken: 'attempt-1' });
    await ec2.client.send(new StopInstancesCommand({ InstanceIds: [id], Force: true }));
    const task = { InstanceId: id, ClientToken: 'attempt-2' };
    await ec2.client.send(new CreateReplaceRootVolumeTaskCommand(task)).catch(() => undefined);
    ec2.clock.advance(A_WHILE_MS);
    const launchId = ec2.calls('RunInstances')[0]?.requestId;
    const stopId = ec2.calls('StopInstances')[0]?.requestId;
    expect(ec2.log.records()).toMatchObject([
      {
        type: 'call',
        cloud: 'aws',
        operation: 'RunInstances',
        mutating: true,
        instances: [],
        token: 'attempt-1',
        status: 200,
      },
      { type: 'effect', cloud: 'aws', effect: 'launched', instance: id, requestId: launchId },
      { type: 'effect', effect: 'running', requestId: launchId },
      { type: 'call', operation: 'StopInstances', instances: [id], status: 200, requestId: stopId },
      {
        type: 'call',
        operation: 'CreateReplaceRootVolumeTask',
        token: 'attempt-2',
        status: 400,
        code: 'IncorrectInstanceState',
      },
      { type: 'effect', effect: 'stopped', requestId: stopId },
    ]);
    const instants = ec2.log.records().map((record) => record.at);
    expect(instants).toEqual(instants.toSorted((a, b) => a - b));
  });
});
