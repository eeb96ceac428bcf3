import { AssertionError } from 'node:assert';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { AckRecord, HistoryRecord } from '../../src/audit/history.ts';
import { collectHistory } from '../../src/cli/start/collect-history.ts';
import { type EmulatorStates, readEmulators } from '../../src/cli/start/emulator-control.ts';
import { writeExample } from '../../src/cli/start/example-fleet.ts';
import { createWorkerProcesses, type WorkerProcesses } from '../../src/cli/start/worker-processes.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import { type Environment, loadConfig } from '../../src/config.ts';
import { type EmulatedClouds, type Emulators, startEmulators } from '../../src/embedded/emulators.ts';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import type { Log } from '../../src/fleet/ports.ts';
import { type ComposeConfig, composeServe, openRecords, prepareDatabase, PROVIDERS } from '../../src/main.ts';
import { createPublisher } from '../../src/queues/publisher.ts';
import { createTestDatabase, testRedis } from '../support/services.ts';

export interface EmulatedFleetOptions {
  /** Cloud time against real time. */
  speed: number;
  seed: number;
  /** Worker processes. */
  workers: number;
  /** Servers of the test's own, in place of the run's. */
  servers?: OwnServers;
  /** Settings of drover.yaml below `work`, beyond the example's. */
  work?: Record<string, string>;
  /** Given the two pools of the example, one on each cloud. */
  pools(example: { aws: Pool; azure: Pool }, clouds: EmulatedClouds): Promise<readonly Pool[]>;
}

export interface OwnServers {
  /** PostgreSQL itself, for the test's own looks at it. */
  databaseUrl: string;
  /** Where drover finds its servers: DATABASE_URL and the like. */
  variables: Environment;
}

/** The whole stack: PostgreSQL, Redis, API, worker processes, the vendors' SDKs and both emulated clouds. */
export interface EmulatedFleet {
  client: Client;
  config: ComposeConfig;
  /** What the clouds hold now. */
  clouds(): Promise<EmulatorStates>;
  /** Stops API and workers in order; servers and clouds go on. */
  halt(): Promise<void>;
  /** Starts them again, as `drover serve` and `drover work` do. */
  resume(): Promise<void>;
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Asks until there is an answer; fails with `what` where there is none within the deadline. */
  until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T>;
  /** Jobs that have failed for good, by queue and id. */
  failedJobs(): Promise<string[]>;
  /** What API and workers have logged that is no mere information. */
  troubles(): Promise<string[]>;
  /** Lets every pool shrink to nothing; resolves once database and clouds hold no machine any more. */
  shrink(): Promise<EmulatorStates>;
  /** Stops the workers, then tells all that happened as the auditor reads it. */
  history(acks: readonly AckRecord[]): Promise<HistoryRecord[]>;
  stop(): Promise<void>;
}

const TOKEN = 'the-token-of-this-test-file';
const DEADLINE_MS = 60_000;
const clock = { now: () => new Date() };

type Undo = () => Promise<unknown>;

/** Starts a fleet with a database, a key prefix and clouds of its own; nothing is left of it after `stop`. */
export async function startEmulatedFleet(options: EmulatedFleetOptions): Promise<EmulatedFleet> {
  const undo: Undo[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return { ...(await assemble(options, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(options: EmulatedFleetOptions, undo: Undo[]): Promise<Omit<EmulatedFleet, 'stop'>> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-fleet-'));
  undo.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const { emulators, config, processes, said } = await startProcesses(options, dir, undo);
  await processes.start();
  const connectionString = options.servers?.databaseUrl ?? config.databaseUrl;
  const pool = new pg.Pool({ connectionString, max: 4, application_name: 'test' });
  // A server that is restarted cuts off whoever is idle.
  pool.on('error', () => undefined);
  undo.push(() => pool.end());
  const records = await openRecords(config);
  undo.push(() => records.close());
  return {
    client: createClient({ url: processes.url(), token: TOKEN }),
    config,
    clouds: () => readEmulators(emulators.clouds.control),
    halt: processes.stop,
    resume: processes.start,
    until,
    sql: async (text, values) => (await pool.query(text, [...(values ?? [])])).rows,
    failedJobs: () => readFailedJobs(config),
    troubles: async () => [...said, ...(await readTroubles(dir))],
    async shrink() {
      await prepareDatabase(
        { ...config, ...withPools(config, (each) => ({ ...each, minIdle: 0 })) },
        clock.now(),
      );
      return until('database and clouds to hold no machine', async () => {
        const left = await records.machinesLeft();
        const states = await readEmulators(emulators.clouds.control);
        const isQuiet = left.length === 0 && Object.values(states).every(({ alive }) => alive.length === 0);
        return isQuiet ? states : undefined;
      });
    },
    async history(acks) {
      // What still looked at the clouds would have them write to their logs while we read these.
      await processes.stop();
      return collectHistory(
        {
          ...{ stored: records.history(), logDir: dir, acks },
          states: await readEmulators(emulators.clouds.control),
          ...{ machines: await records.machinesLeft(), leases: await records.leases() },
          reconcileRoundMs: config.work.reconcileMs * 4,
          limits: Object.fromEntries((config.pools ?? []).map((each) => [each.name, each.max])),
          at: Date.now(),
        },
        join(dir, 'history.jsonl'),
      );
    },
  };
}

async function startProcesses(
  options: EmulatedFleetOptions,
  dir: string,
  undo: Undo[],
): Promise<{ emulators: Emulators; config: ComposeConfig; processes: FleetProcesses; said: string[] }> {
  const { speed, seed } = options;
  const searchPath = process.env['PATH'] ?? DEFAULT_SEARCH_PATH;
  const emulators = await startEmulators({ dir, speed, seed, bootSeconds: 30, searchPath });
  undo.push(() => emulators.stop());
  const env = await writeConfiguration(options, { dir, clouds: emulators.clouds }, undo);
  const config = await readConfiguration(options, { dir, env, clouds: emulators.clouds });
  const [deaths, said]: [string[], string[]] = [[], []];
  const processes = createFleetProcesses({
    config,
    log: collectingLog(said),
    workers: () =>
      createWorkerProcesses({
        ...{ count: options.workers, env, dir, cwd: dir, searchPath },
        onDeath: (line) => void deaths.push(line),
      }),
  });
  undo.push(async () => {
    await processes.stop();
    if (deaths.length > 0) throw new AssertionError({ message: deaths.join('\n') });
  });
  return { emulators, config, processes, said };
}

interface FleetProcesses {
  start(): Promise<void>;
  stop(): Promise<void>;
  url(): string;
}

/** In the order of a real start: the database's pools, workers, API. */
function createFleetProcesses(of: {
  config: ComposeConfig;
  log: Log;
  workers(): WorkerProcesses;
}): FleetProcesses {
  const running: { stop(): Promise<unknown> }[] = [];
  let url: string | undefined;
  return {
    async start() {
      await prepareDatabase(of.config, clock.now());
      const workers = of.workers();
      running.push(workers);
      await workers.start();
      // Whoever knows its address finds it there again.
      const port = url === undefined ? of.config.http.port : Number(new URL(url).port);
      const config = { ...of.config, http: { ...of.config.http, port } };
      const serving = await composeServe({ config, log: of.log, clock, version: 'test' });
      running.push(serving);
      await serving.start();
      url = serving.url;
    },
    async stop() {
      for (const each of running.splice(0).toReversed()) await each.stop();
    },
    url: () => url ?? '',
  };
}

/** The API's, at the level of warnings. */
function collectingLog(lines: string[]): Log {
  const write = (fields: Record<string, unknown>, message: string): void => {
    const err = fields['err'] instanceof Error ? fields['err'].message : fields['err'];
    lines.push(JSON.stringify({ ...fields, err, message }));
  };
  return { info: () => undefined, warn: write, error: write };
}

/** As people configure it: a file, and the vendors' own variables for credentials. */
async function writeConfiguration(
  { speed, servers, work }: EmulatedFleetOptions,
  { dir, clouds }: { dir: string; clouds: EmulatedClouds },
  undo: Undo[],
): Promise<Environment> {
  const redis = testRedis();
  const env = await writeExample({ dir, clouds, speed });
  const file = env['DROVER_CONFIG'] ?? '';
  const settings = JSON.parse(await readFile(file, 'utf8'));
  // Clouds that are faster still than those of the example are looked at more often.
  Object.assign(settings.providers['aws-ec2'], { lookEveryMs: 20, visibilityDelayMs: 200 });
  Object.assign(settings.work, { window: '5ms', ...work });
  await writeFile(file, JSON.stringify(settings));
  return {
    ...env,
    ...{ REDIS_URL: redis.url, DROVER_REDIS_PREFIX: redis.prefix },
    ...(servers === undefined ? await ownDatabase(undo) : servers.variables),
    ...{ DROVER_INSTALLATION: 'journey', DROVER_HTTP_PORT: '0', DROVER_TOKEN: TOKEN },
    ...{ DROVER_LOG_LEVEL: 'warn', PATH: process.env['PATH'] },
  };
}

async function ownDatabase(undo: Undo[]): Promise<Environment> {
  const database = await createTestDatabase();
  undo.push(() => database.drop());
  return { DATABASE_URL: database.url };
}

async function readConfiguration(
  options: EmulatedFleetOptions,
  from: { dir: string; env: Environment; clouds: EmulatedClouds },
): Promise<ComposeConfig> {
  const config = await loadConfig({ env: from.env, cwd: from.dir, providers: PROVIDERS });
  const { databaseUrl = '', redisUrl = '', pools = [] } = config;
  const [aws, azure] = pools;
  if (aws === undefined || azure === undefined)
    throw new AssertionError({ message: 'the example lost a pool' });
  const ours = await options.pools({ aws, azure }, from.clouds);
  return { ...config, databaseUrl, redisUrl, pools: ours as NonNullable<ComposeConfig['pools']> };
}

function withPools<P>({ pools }: { pools?: readonly P[] }, change: (pool: P) => P): { pools?: readonly P[] } {
  return pools === undefined ? {} : { pools: pools.map(change) };
}

async function readFailedJobs(config: ComposeConfig): Promise<string[]> {
  const redis = new Redis(config.redisUrl, { maxRetriesPerRequest: null });
  const publisher = createPublisher({ connection: redis, prefix: `{${config.redisPrefix}}` });
  try {
    const failed = await Promise.all([...publisher.queues.values()].map((queue) => queue.getFailed()));
    return failed.flat().map((job) => `${job.queueName} ${job.id}: ${job.failedReason}`);
  } finally {
    await publisher.close();
    redis.disconnect();
  }
}

/** Workers log to files of their own, at the level of warnings. */
async function readTroubles(dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => /^worker-\d+\.log$/.test(name));
  const texts = await Promise.all(files.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n')).filter((line) => line !== '' && line !== 'working');
}

async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const answer = await waitUntil({ deadlineMs: DEADLINE_MS, everyMs: 20 }, probe);
  if (answer !== undefined) return answer;
  throw new AssertionError({ message: `waited in vain for ${what}` });
}
