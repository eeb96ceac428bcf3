import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Environment } from '../../config.ts';
import { startEmulators, type Emulators } from '../../embedded/emulators.ts';
import { DEFAULT_SEARCH_PATH } from '../../embedded/find-program.ts';
import { LOOPBACK } from '../../embedded/free-port.ts';
import { findPlaces, type Places } from '../../embedded/places.ts';
import { openPostgresSession, type PostgresSession } from '../../embedded/postgres-session.ts';
import { openRunFolder } from '../../embedded/run-folder.ts';
import { waitUntil } from '../../embedded/wait-until.ts';
import { SetupError } from '../../embedded/setup-error.ts';
import { createRandomness, type Randomness } from '../../explore/randomness.ts';
import { prepareDatabase, type ComposeConfig } from '../../main.ts';
import { loadServing } from '../serving.ts';
import { writeExample } from '../start/example-fleet.ts';
import type { ChaosOptions } from './chaos-options.ts';
import { startChaosServers, type ChaosServers } from './chaos-servers.ts';
import { createOutages, type Outages } from './outages.ts';
import { findSteadyPort } from './steady-port.ts';
import { supervise, type Death, type Supervised } from './supervised-process.ts';

/** One `npm run chaos`. */
export interface ChaosRun {
  options: ChaosOptions;
  env: Environment;
  cwd: string;
  say(line: string): void;
  signal: AbortSignal;
  /** Filled with what is to be stopped, in the order it was started. */
  undo: (() => Promise<unknown>)[];
}

/** Everything that runs: all of it real processes, all of them ours. */
export interface ChaosFleet {
  workers: readonly Supervised[];
  apis: readonly Supervised[];
  apiUrls: readonly string[];
  token: string;
  servers: ChaosServers;
  emulators: Emulators;
  sql: PostgresSession;
  redis: Redis;
  config: ComposeConfig;
  outages: Outages;
  deaths: readonly Death[];
  /** Logs of everything; removed with the run. */
  dir: string;
  checkoutDir: string;
}

/** Cloud time against real time: slow enough that batches are under way for as long as blows take to fall. */
export const SPEED = 25;
const WORKERS = 4;
const APIS = 2;
const BOOT_SECONDS = 30;
const READY_WITHIN_MS = 60_000;

/** Brings up servers, clouds, API and workers, in this order; rejects with a SetupError. */
export async function startChaosFleet(run: ChaosRun, draw: Randomness): Promise<ChaosFleet> {
  const { undo, signal, say } = run;
  const home = await openHome(run);
  const { dir, places, searchPath } = home;
  const outages = createOutages(Date.now);
  const ports = { postgres: await findSteadyPort(draw), redis: await findSteadyPort(draw) };
  const quietly = tellOnce(say);
  const servers = await startChaosServers({ ...home, ports, outages, onProgress: quietly, signal });
  undo.push(() => servers.stop());
  const { seed } = run.options;
  const emulators = await startEmulators({ dir, searchPath, speed: SPEED, seed, bootSeconds: BOOT_SECONDS });
  undo.push(() => emulators.stop());
  const token = randomBytes(24).toString('hex');
  const env = await writeEnvironment(run, { dir, servers, emulators, token });
  const { databaseUrl, redisUrl } = servers;
  const config = { ...(await loadServing({ env, cwd: dir })), databaseUrl, redisUrl };
  await prepareDatabase(config, new Date());
  const deaths: Death[] = [];
  const onDeath = noteDeath(run, deaths, outages);
  const processes = await startProcesses(run, { env, dir, searchPath, draw, onDeath });
  const sql = openPostgresSession(databaseUrl);
  undo.push(() => sql.close());
  const redis = openRedis(redisUrl);
  undo.push(async () => redis.disconnect());
  await untilReady([...processes.workers, ...processes.apis], signal);
  const checkoutDir = places.checkoutDir;
  return { ...processes, token, servers, emulators, sql, redis, config, outages, deaths, dir, checkoutDir };
}

interface Home {
  dir: string;
  places: Places;
  searchPath: string;
}

async function openHome(run: ChaosRun): Promise<Home> {
  const given = await loadServing({ env: ambient(run.env), cwd: run.cwd });
  const uid = process.getuid?.() ?? 0;
  const places = await findPlaces({ checkout: run.cwd, uid, ...given.places });
  const folder = await openRunFolder(places, { persistent: false });
  run.undo.push(() => folder.close());
  return { dir: folder.dir, places, searchPath: given.places.searchPath ?? DEFAULT_SEARCH_PATH };
}

const AMBIENT = ['PATH', 'HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME', 'DROVER_STATE_DIR', 'DROVER_CACHE_DIR'];

/** What says where programs and files are; servers, pools and clouds of one's own are left alone. */
function ambient(env: Environment): Record<string, string> {
  return Object.fromEntries(
    AMBIENT.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const])),
  );
}

/** Servers are started again and again: what that says is told the first time. */
function tellOnce(say: (line: string) => void): (line: string) => void {
  const told = new Set<string>();
  return (line) => {
    if (!told.has(line)) say(line);
    told.add(line);
  };
}

async function writeEnvironment(
  run: ChaosRun,
  on: { dir: string; servers: ChaosServers; emulators: Emulators; token: string },
): Promise<Environment> {
  const { dir, servers, emulators, token } = on;
  return {
    ...ambient(run.env),
    ...(await writeExample({ dir, clouds: emulators.clouds, speed: SPEED })),
    ...{ DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl },
    ...{ DROVER_INSTALLATION: 'chaos', DROVER_REDIS_PREFIX: 'chaos', DROVER_LOG_LEVEL: 'warn' },
    ...{ DROVER_TOKEN: token, DROVER_TOKEN_FILE: join(dir, 'token') },
  };
}

/** One that never got ready while a server was away has only been started too early. */
function noteDeath(run: ChaosRun, deaths: Death[], outages: Outages): (death: Death) => void {
  return (death) => {
    const spans = Object.values(outages.spans()).flat();
    const isTooEarly = spans.some((span) => span.fromMs <= death.endedAt && span.toMs >= death.startedAt);
    if (!death.wasReady && isTooEarly) return;
    deaths.push(death);
    run.say(`${death.process} ended although nobody has killed it: ${death.lastWords.join(' | ')}`);
  };
}

interface Starting {
  env: Environment;
  dir: string;
  searchPath: string;
  draw: Randomness;
  onDeath(death: Death): void;
}

async function startProcesses(run: ChaosRun, on: Starting) {
  const { env, draw } = on;
  const shared = { ...on, cwd: on.dir, now: Date.now };
  const start = async (name: string, role: 'work' | 'serve', more: Environment): Promise<Supervised> => {
    const supervised = await supervise({
      ...{ ...shared, name, words: [process.execPath, ENTRY, role, '--with-parent'] },
      env: defined({ ...env, ...more }),
      readyLine: role === 'work' ? /^working$/m : /^http:\/\/\S+$/m,
    });
    run.undo.push(() => supervised.stop());
    return supervised;
  };
  const workers: Supervised[] = [];
  for (let index = 0; index < WORKERS; index += 1) workers.push(await start(`worker-${index}`, 'work', {}));
  const apis: Supervised[] = [];
  const apiUrls: string[] = [];
  for (let index = 0; index < APIS; index += 1) {
    const port = String(await findSteadyPort(draw));
    apis.push(await start(`api-${index}`, 'serve', { DROVER_HTTP_PORT: port }));
    apiUrls.push(`http://${LOOPBACK}:${port}`);
  }
  return { workers, apis, apiUrls };
}

const ENTRY = fileURLToPath(new URL('../drover.ts', import.meta.url));

function defined(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Comes back by itself whenever its connection or the server has gone. */
function openRedis(url: string): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 200 });
  redis.on('error', () => undefined);
  return redis;
}

async function untilReady(processes: readonly Supervised[], signal: AbortSignal): Promise<void> {
  const ready = await waitUntil({ deadlineMs: READY_WITHIN_MS, everyMs: 100, signal }, async () =>
    processes.every((each) => each.isUp()) ? true : undefined,
  );
  if (ready !== undefined) return;
  const late = processes.filter((each) => !each.isUp()).map((each) => each.name);
  throw new SetupError(`${late.join(', ')} did not get ready within ${READY_WITHIN_MS / 1000} s`);
}

/** Streams of chance of one run, apart from the plan's own. */
export function chanceOf(seed: number): Randomness {
  return createRandomness(seed + 1);
}
