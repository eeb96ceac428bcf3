import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServerProcess } from './server-process.ts';
import { SetupError } from './setup-error.ts';
import { waitUntil } from './wait-until.ts';

export interface EmulatorsOptions {
  /** A folder of its own: call logs, CA and what the process said. */
  dir: string;
  speed: number;
  seed: number;
  bootSeconds: number;
  /** A JSON file of the troubles to start with. */
  faultsFile?: string;
  searchPath: string;
}

/** What the emulators' process tells of itself: addresses, names and credentials that are good for it alone. */
export interface EmulatedClouds {
  ec2: {
    endpoint: string;
    region: string;
    accessKeyId: string;
    secretAccessKey: string;
    subnets: Record<string, string>;
    images: Record<string, string>;
    securityGroups: Record<string, string>;
  };
  arm: {
    endpoint: string;
    authorityHost: string;
    caFile: string;
    tenantId: string;
    clientId: string;
    clientSecret: string;
    subscriptionId: string;
    resourceGroup: string;
    location: string;
    scaleSets: string[];
  };
  control: string;
  guestPort: number;
}

export interface Emulators {
  clouds: EmulatedClouds;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;

/** Starts both emulated clouds in a process that ends with this one. Rejects with a SetupError. */
export async function startEmulators(options: EmulatorsOptions): Promise<Emulators> {
  const { dir, speed, seed, bootSeconds, faultsFile } = options;
  const logPath = join(dir, 'emulators.out');
  const entry = fileURLToPath(new URL('../emulators/main.ts', import.meta.url));
  const words = [process.execPath, entry, '--speed', String(speed), '--seed', String(seed)];
  const running = await startServerProcess({
    words: [
      ...[...words, '--boot-seconds', String(bootSeconds), '--log-dir', dir, '--guest-port', '0'],
      ...(faultsFile === undefined ? [] : ['--faults', faultsFile]),
    ],
    env: {},
    cwd: dir,
    logPath,
    dieWith: 'TERM',
    stopWith: 'SIGTERM',
    thenWith: 'SIGTERM',
    searchPath: options.searchPath,
  });
  const clouds = await waitUntil({ deadlineMs: READY_WITHIN_MS, everyMs: 50 }, async () =>
    running.hasExited() ? 'exited' : readDescription(logPath),
  );
  if (clouds !== undefined && clouds !== 'exited') return { clouds, stop: running.stop };
  await running.stop();
  throw new SetupError('the emulated clouds did not start: see what they said', {
    log: await running.lastWords(),
  });
}

/** The first line it prints, once that is whole. */
async function readDescription(path: string): Promise<EmulatedClouds | undefined> {
  const line = (await readFile(path, 'utf8'))
    .split('\n')
    .slice(0, -1)
    .find((each) => each.startsWith('{"ec2"'));
  // Our own process prints it in the shape that its README gives.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return line === undefined ? undefined : (JSON.parse(line) as EmulatedClouds);
}
