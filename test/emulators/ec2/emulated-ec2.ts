import {
  EC2Client,
  RunInstancesCommand,
  type Instance,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2';
import { onTestFinished } from 'vitest';
import {
  createCallLog,
  type CallLog,
  type CallRecord,
  type EffectRecord,
} from '../../../src/emulators/call-log.ts';
import { createEc2Emulator, type Ec2Emulator, type Ec2Options } from '../../../src/emulators/ec2/emulator.ts';
import { createFaults, type Faults } from '../../../src/emulators/faults.ts';
import { createGuests, reserveGuestPort } from '../../../src/emulators/guests.ts';
import { createRandomness } from '../../../src/emulators/randomness.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';

export const ACCESS_KEY_ID = 'EMULATEDTEST';
export const IMAGE = 'ami-0d0e4e4a770000001';
export const NEXT_IMAGE = 'ami-0d0e4e4a770000002';
export const ARM_IMAGE = 'ami-0d0e4e4a770000003';
export const SUBNET_A = 'subnet-0d0e4e4a77000000a';
export const SUBNET_B = 'subnet-0d0e4e4a77000000b';
export const GUESTS_GROUP = 'sg-0d0e4e4a770000002';

/** Long enough, in cloud time, for any single step of an instance or a task, and for a guest to boot. */
export const A_WHILE_MS = 60_000;

/** An emulator in this process with a clock that only moves when told, and the vendor's client for it. */
export interface EmulatedEc2 {
  client: EC2Client;
  clock: ManualClock;
  emulator: Ec2Emulator;
  endpoint: string;
  guestPort: number;
  faults: Faults;
  log: CallLog;
  calls(operation: string): CallRecord[];
  effects(instance: string): EffectRecord['effect'][];
  /** Launches instances; they are pending and, unless the clock moves, cannot be seen. */
  launch(input?: Partial<RunInstancesCommandInput>): Promise<Instance[]>;
  /** Launches instances and lets them boot; resolves with their ids. */
  launchRunning(count: number, input?: Partial<RunInstancesCommandInput>): Promise<string[]>;
}

export async function startEc2(options: Partial<Ec2Options> = {}): Promise<EmulatedEc2> {
  const clock = createManualClock();
  const log = createCallLog();
  const faults = createFaults(createRandomness(7));
  const reserved = await reserveGuestPort('127.77.0.1', 0);
  const guests = createGuests({ port: reserved.port });
  const randomness = createRandomness(42);
  const emulator = createEc2Emulator({
    clock,
    randomness,
    log,
    faults,
    guests,
    options: { accessKeyId: ACCESS_KEY_ID, buckets: 'off', ...options },
  });
  const endpoint = await emulator.listen(0);
  const client = createClient(endpoint, ACCESS_KEY_ID);
  onTestFinished(async () => {
    client.destroy();
    await emulator.close();
    await guests.closeAll();
    await reserved.release();
  });
  const launch: EmulatedEc2['launch'] = async (input) => {
    const answer = await client.send(new RunInstancesCommand(launchInput(input)));
    return answer.Instances ?? [];
  };
  return {
    client,
    clock,
    emulator,
    endpoint,
    faults,
    log,
    launch,
    guestPort: reserved.port,
    calls: (operation) =>
      log.records().filter((each) => each.type === 'call' && each.operation === operation) as CallRecord[],
    effects: (instance) =>
      log
        .records()
        .flatMap((each) => (each.type === 'effect' && each.instance === instance ? [each.effect] : [])),
    async launchRunning(count, input) {
      const launched = await launch({ MinCount: count, MaxCount: count, ...input });
      clock.advance(A_WHILE_MS);
      return launched.map((instance) => instance.InstanceId ?? '');
    },
  };
}

export function createClient(endpoint: string, accessKeyId: string, region = 'eu-west-1'): EC2Client {
  return new EC2Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey: 'not checked' },
    maxAttempts: 1,
  });
}

export function launchInput(input: Partial<RunInstancesCommandInput> = {}): RunInstancesCommandInput {
  return { ImageId: IMAGE, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1, ...input };
}

/** Resolves once the condition holds; rejects after four seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 4000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('It did not come to pass in time.');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
