import { AssertionError } from 'node:assert';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { AckRecord, HistoryRecord } from '../../src/audit/history.ts';
import { collectHistory } from '../../src/cli/start/collect-history.ts';
import { type EmulatorStates, readEmulators } from '../../src/cli/start/emulator-control.ts';
import { writeExample } from '../../src/cli/start/example-fleet.ts';
import { type Environment, loadConfig } from '../../src/config.ts';
import { type EmulatedClouds, startEmulators } from '../../src/embedded/emulators.ts';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import { type ComposeConfig, openRecords, prepareDatabase, PROVIDERS } from '../../src/main.ts';
import { createPublisher } from '../../src/queues/publisher.ts';
import { createTestDatabase, testRedis } from '../support/services.ts';

export interface EmulatedGroundOptions {
  /** Cloud time against real time. */
  speed: number;
  seed: number;
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

/** What drover's processes stand on: PostgreSQL, Redis, both emulated clouds, and the variables that lead there. */
export interface EmulatedGround {
  dir: string;
  env: Environment;
  /** What the variables say, with the pools of the options; the database has them. */
  config: ComposeConfig;
  token: string;
  /** What the clouds hold now. */
  clouds(): Promise<EmulatorStates>;
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Asks until there is an answer; fails with `what` where there is none within the deadline. */
  until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T>;
  /** Asks something of the queues, over a line of its own. */
  queues<T>(ask: (queues: Queues) => Promise<T>): Promise<T>;
  /** Jobs that have failed for good, by queue and id. */
  failedJobs(): Promise<string[]>;
  /** Lets every pool shrink to nothing; resolves once database and clouds hold no machine any more. */
  shrink(): Promise<EmulatorStates>;
  /** All that happened as the auditor reads it. Whoever still looked at the clouds would have them go on writing. */
  history(acks: readonly AckRecord[]): Promise<HistoryRecord[]>;
}

type Queues = ReturnType<typeof createPublisher>['queues'];

/** What is to be taken back, in the order it was done. */
export type Undo = (() => Promise<unknown>)[];

const TOKEN = 'the-token-of-this-test-file';
const DEADLINE_MS = 60_000;

/** Prepares a database, a key prefix and clouds of its own; nothing is left of it once `undo` is run in reverse. */
export async function prepareGround(options: EmulatedGroundOptions, undo: Undo): Promise<EmulatedGround> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-fleet-'));
  undo.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const { speed, seed } = options;
  const searchPath = process.env['PATH'] ?? DEFAULT_SEARCH_PATH;
  const emulators = await startEmulators({ dir, speed, seed, bootSeconds: 30, searchPath });
  undo.push(() => emulators.stop());
  const { clouds } = emulators;
  const env = await writeConfiguration(options, { dir, clouds }, undo);
  const config = await readConfiguration(options, { dir, env, clouds });
  await prepareDatabase(config, new Date());
  const connectionString = options.servers?.databaseUrl ?? config.databaseUrl;
  const pool = new pg.Pool({ connectionString, max: 4, application_name: 'test' });
  // A server that is restarted cuts off whoever is idle.
  pool.on('error', () => undefined);
  undo.push(() => pool.end());
  const records = await openRecords(config);
  undo.push(() => records.close());
  const queues: EmulatedGround['queues'] = (ask) => askQueues(config, ask);
  return {
    ...{ dir, env, config, until, queues, token: TOKEN },
    clouds: () => readEmulators(clouds.control),
    sql: async (text, values) => (await pool.query(text, [...(values ?? [])])).rows,
    failedJobs: () => queues(readFailedJobs),
    async shrink() {
      const idle = withPools(config, (each) => ({ ...each, minIdle: 0 }));
      await prepareDatabase({ ...config, ...idle }, new Date());
      return until('database and clouds to hold no machine', async () => {
        const left = await records.machinesLeft();
        const states = await readEmulators(clouds.control);
        const isQuiet = left.length === 0 && Object.values(states).every(({ alive }) => alive.length === 0);
        return isQuiet ? states : undefined;
      });
    },
    history: async (acks) =>
      collectHistory(
        {
          ...{ stored: records.history(), logDir: dir, acks },
          states: await readEmulators(clouds.control),
          ...{ machines: await records.machinesLeft(), leases: await records.leases() },
          reconcileRoundMs: config.work.reconcileMs * 4,
          limits: Object.fromEntries((config.pools ?? []).map((each) => [each.name, each.max])),
          at: Date.now(),
        },
        join(dir, 'history.jsonl'),
      ),
  };
}

/** As people configure it: a file, and the vendors' own variables for credentials. */
async function writeConfiguration(
  { speed, servers, work }: EmulatedGroundOptions,
  { dir, clouds }: { dir: string; clouds: EmulatedClouds },
  undo: Undo,
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

async function ownDatabase(undo: Undo): Promise<Environment> {
  const database = await createTestDatabase();
  undo.push(() => database.drop());
  return { DATABASE_URL: database.url };
}

async function readConfiguration(
  options: EmulatedGroundOptions,
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

async function askQueues<T>(config: ComposeConfig, ask: (queues: Queues) => Promise<T>): Promise<T> {
  const redis = new Redis(config.redisUrl, { maxRetriesPerRequest: null });
  const publisher = createPublisher({ connection: redis, prefix: `{${config.redisPrefix}}` });
  try {
    return await ask(publisher.queues);
  } finally {
    await publisher.close();
    redis.disconnect();
  }
}

async function readFailedJobs(queues: Queues): Promise<string[]> {
  const failed = await Promise.all([...queues.values()].map((queue) => queue.getFailed()));
  return failed.flat().map((job) => `${job.queueName} ${job.id}: ${job.failedReason}`);
}

async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const answer = await waitUntil({ deadlineMs: DEADLINE_MS, everyMs: 20 }, probe);
  if (answer !== undefined) return answer;
  throw new AssertionError({ message: `waited in vain for ${what}` });
}
