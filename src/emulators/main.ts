import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createArmEmulator, type ArmEmulator } from './arm/emulator.ts';
import { createCallLog } from './call-log.ts';
import {
  createControl,
  injectFault,
  readInjection,
  type CloudName,
  type ControlledCloud,
} from './control.ts';
import type { Catalogue } from './ec2/catalogue.ts';
import { createEc2Emulator, type Ec2Emulator } from './ec2/emulator.ts';
import { createFaults } from './faults.ts';
import { createGuests, reserveGuestPort } from './guests.ts';
import { createRandomness } from './randomness.ts';
import { createScaledClock } from './scaled-clock.ts';

interface Options {
  speed: number;
  seed: number;
  ec2Port: number;
  armPort: number;
  controlPort: number;
  guestPort: number;
  bootSeconds: number;
  logDir: string;
  faultsFile: string | undefined;
  buckets: 'published' | 'off';
}

interface Running {
  /** What a client needs to know, the only line on stdout. */
  description: Record<string, unknown>;
  stop(): Promise<void>;
}

/** The VPC's router has this address, and no machine ever gets it. */
const GUEST_GATEWAY = '127.77.0.1';
const MIN_SPEED = 0.001;
/** Streams of randomness per seed. */
const STREAMS = 4;

try {
  const running = await start(readOptions(process.argv.slice(2)));
  process.stdout.write(`${JSON.stringify(running.description)}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void running.stop().then(() => process.exit(0)));
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      speed: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      'ec2-port': { type: 'string', default: '0' },
      'arm-port': { type: 'string', default: '0' },
      'control-port': { type: 'string', default: '0' },
      'guest-port': { type: 'string', default: '8000' },
      'boot-seconds': { type: 'string', default: '30' },
      'log-dir': { type: 'string' },
      faults: { type: 'string' },
      buckets: { type: 'string', default: 'published' },
    },
  });
  const number = (
    name: Exclude<keyof typeof values, 'log-dir' | 'faults' | 'buckets'>,
    least: number,
  ): number => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value < least)
      throw new Error(`--${name} must be a number from ${least} up.`);
    return value;
  };
  const { 'log-dir': logDir, buckets } = values;
  if (logDir === undefined)
    throw new Error('--log-dir is missing: the directory for the call logs and the CA.');
  if (buckets !== 'published' && buckets !== 'off') throw new Error('--buckets must be published or off.');
  return {
    speed: number('speed', MIN_SPEED),
    seed: number('seed', 0),
    ec2Port: number('ec2-port', 0),
    armPort: number('arm-port', 0),
    controlPort: number('control-port', 0),
    guestPort: number('guest-port', 0),
    bootSeconds: number('boot-seconds', 0),
    logDir: resolve(logDir),
    faultsFile: values.faults,
    buckets,
  };
}

async function start(options: Options): Promise<Running> {
  await mkdir(options.logDir, { recursive: true });
  const guestPort = await reserveGuestPort(GUEST_GATEWAY, options.guestPort);
  const guests = createGuests({ port: guestPort.port });
  const secrets = { accessKeyId: `EMULATED${hex(6)}`, secretAccessKey: hex(20) };
  const { ec2, arm, clouds } = createClouds({ options, guests, accessKeyId: secrets.accessKeyId });
  await injectFile(clouds, options.faultsFile);
  const control = createControl(clouds);
  const [endpoint, armAddress, controlOrigin] = await Promise.all([
    ec2.listen(options.ec2Port),
    arm.listen(options.armPort),
    control.listen(options.controlPort),
  ]);
  const { caPem: _inFile, ...azure } = armAddress;
  return {
    description: {
      ec2: { endpoint, region: ec2.catalogue.region, ...secrets, ...ec2Names(ec2.catalogue) },
      arm: azure,
      control: controlOrigin,
      guestPort: guestPort.port,
    },
    async stop() {
      await Promise.all([control.close(), ec2.close(), arm.close()]);
      await guests.closeAll();
      await Promise.all([guestPort.release(), clouds.aws.log.close(), clouds.azure.log.close()]);
    },
  };
}

/** The ids that a pool's configuration needs. */
function ec2Names({ subnets, images, securityGroups }: Catalogue): Record<string, Record<string, string>> {
  return {
    subnets: Object.fromEntries(subnets.map(({ zone, id }) => [zone, id])),
    images: Object.fromEntries(images.map(({ name, id }) => [name, id])),
    securityGroups: Object.fromEntries(securityGroups.map(({ name, id }) => [name, id])),
  };
}

interface CloudsDeps {
  options: Options;
  guests: ReturnType<typeof createGuests>;
  accessKeyId: string;
}

function createClouds({ options, guests, accessKeyId }: CloudsDeps): {
  ec2: Ec2Emulator;
  arm: ArmEmulator;
  clouds: Record<CloudName, ControlledCloud>;
} {
  const { speed, seed, logDir, buckets } = options;
  const bootMs = options.bootSeconds * 1000;
  // Finer than a millisecond: the log's times are compared with those at which transactions were committed.
  const clock = createScaledClock(speed, () => performance.timeOrigin + performance.now());
  // Each cloud draws from streams of its own, so that calls to one change nothing in the other.
  const ownParts = (cloud: CloudName, stream: number) => ({
    clock,
    guests,
    randomness: createRandomness(seed * STREAMS + stream),
    faults: createFaults(createRandomness(seed * STREAMS + stream + 1)),
    log: createCallLog(join(logDir, `${cloud}.jsonl`)),
  });
  const aws = ownParts('aws', 0);
  const azure = ownParts('azure', 2);
  const ec2 = createEc2Emulator({ ...aws, options: { accessKeyId, buckets, durations: { bootMs } } });
  const arm = createArmEmulator({
    ...azure,
    options: {
      speed,
      throttling: buckets === 'published',
      durationsMs: { boot: bootMs },
      caFile: join(logDir, 'ca.pem'),
    },
  });
  return { ec2, arm, clouds: { aws: controlEc2(ec2, aws), azure: controlArm(arm, azure) } };
}

type OwnParts = Pick<ControlledCloud, 'log' | 'faults'>;

function controlEc2(ec2: Ec2Emulator, { log, faults }: OwnParts): ControlledCloud {
  return {
    log,
    faults,
    state: () => ec2.state(),
    checkFault: (fault) => ec2.checkFault(fault),
    evict: (instance) => ec2.evict(instance),
    vanish: (instance) => ec2.evict(instance, 'vanish'),
    announce: (instance) => ec2.evict(instance, 'announce'),
    limitCapacity: (limit) => ec2.limitCapacity(limit),
  };
}

function controlArm(arm: ArmEmulator, { log, faults }: OwnParts): ControlledCloud {
  return {
    log,
    faults,
    state: () => arm.state(),
    evict(instance) {
      if (!arm.state().alive.includes(instance.toLowerCase())) return false;
      arm.evict(instance);
      return true;
    },
  };
}

/** The file holds a JSON array of `{cloud, ...fault}`. */
async function injectFile(
  clouds: Record<CloudName, ControlledCloud>,
  file: string | undefined,
): Promise<void> {
  if (file === undefined) return;
  const injections: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!Array.isArray(injections)) throw new Error(`${file} must hold a JSON array of faults.`);
  for (const each of injections) {
    const { cloud, fault } = readInjection(each);
    injectFault(clouds[cloud], fault);
  }
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
