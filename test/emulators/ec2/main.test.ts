import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, onTestFinished, test } from 'vitest';
import { launchInput, until } from './emulated-ec2.ts';
import { answersTcp, askGuest } from './guest-probe.ts';

interface Description {
  ec2: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  arm: { endpoint: string; caFile: string };
  control: string;
  guestPort: number;
}

const MAIN = join(import.meta.dirname, '../../../src/emulators/main.ts');

async function startMain(
  faults: unknown,
): Promise<{ description: Description; logDir: string; child: ChildProcess }> {
  const logDir = await mkdtemp(join(tmpdir(), 'drover-emulators-'));
  const faultsFile = join(logDir, 'faults.json');
  await writeFile(faultsFile, JSON.stringify(faults));
  const args = [
    '--speed',
    '1000',
    '--seed',
    '3',
    '--guest-port',
    '0',
    '--log-dir',
    logDir,
    '--faults',
    faultsFile,
  ];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    await rm(logDir, { recursive: true });
  });
  const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(20_000) });
  return { description: JSON.parse(String(line)), logDir, child };
}

async function ask(url: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, init);
  return { status: response.status, body: await response.json() };
}

const post = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });

test('the emulators run as a process of their own that can be watched, disturbed and ended', async () => {
  const refused = {
    kind: 'refused',
    operation: 'RunInstances',
    times: 1,
    code: 'InsufficientInstanceCapacity',
  };
  const { description, logDir, child } = await startMain([{ cloud: 'aws', ...refused }]);
  const { control, ec2, arm, guestPort } = description;
  const { endpoint, region, ...credentials } = ec2;
  const client = new EC2Client({ endpoint, region, credentials, maxAttempts: 1 });
  onTestFinished(() => client.destroy());
  const launch = new RunInstancesCommand(launchInput());

  await expect(client.send(launch)).rejects.toMatchObject({ name: 'InsufficientInstanceCapacity' });
  const instance = (await client.send(launch)).Instances?.[0];
  const guest = { address: instance?.PrivateIpAddress ?? '', port: guestPort };
  await until(() => answersTcp(guest));
  expect(await askGuest(guest)).toEqual({ instance: instance?.InstanceId, boots: 1 });

  const throttled = { cloud: 'aws', kind: 'throttled', operation: 'DescribeInstances', times: 9 };
  expect(await ask(`${control}/faults`, post(throttled))).toMatchObject({ status: 200 });
  const list = new DescribeInstancesCommand({});
  await expect(client.send(list)).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
  expect(await ask(`${control}/faults`, { method: 'DELETE' })).toMatchObject({ status: 200 });
  expect((await client.send(list)).Reservations).toHaveLength(1);
  const never = { ...throttled, operation: 'DescribeWeather' };
  expect(await ask(`${control}/faults`, post(never))).toMatchObject({ status: 400 });
  expect(await ask(`${control}/faults`, post({ ...throttled, colour: 'red' }))).toMatchObject({
    status: 400,
  });

  const full = { cloud: 'aws', instanceType: 't3.micro', zone: 'eu-west-1a', atMost: 1 };
  expect(await ask(`${control}/capacity`, post(full))).toMatchObject({ status: 200 });
  await expect(client.send(launch)).rejects.toMatchObject({ name: 'InsufficientInstanceCapacity' });

  const evict = post({ cloud: 'aws', instance: instance?.InstanceId, mode: 'vanish' });
  expect(await ask(`${control}/evict`, evict)).toMatchObject({ status: 200 });
  expect(await ask(`${control}/evict`, evict)).toMatchObject({ status: 404 });
  const { body: state } = await ask(`${control}/state`);
  expect(state).toMatchObject({
    aws: {
      launched: 1,
      deleted: 1,
      alive: [],
      calls: { RunInstances: 3 },
      faults: { refused: 1, throttled: 1 },
    },
    azure: { launched: 0, alive: [] },
  });

  const served = await (await fetch(`${control}/log?cloud=aws`)).text();
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(await readFile(join(logDir, 'aws.jsonl'), 'utf8')).toBe(served);
  expect(served).not.toContain(credentials.secretAccessKey);
  expect(await readFile(arm.caFile, 'utf8')).toContain('BEGIN CERTIFICATE');
}, 40_000);
