import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config, Environment } from '../../config.ts';
import { startEmulators, type Emulators } from '../../embedded/emulators.ts';
import { DEFAULT_SEARCH_PATH } from '../../embedded/find-program.ts';
import { findPlaces, type Places } from '../../embedded/places.ts';
import { openRunFolder } from '../../embedded/run-folder.ts';
import { startServers, type Servers } from '../../embedded/servers.ts';
import { SetupError } from '../../embedded/setup-error.ts';
import { composeServe, prepareDatabase, VERSION, type ComposeConfig } from '../../main.ts';
import { createLog } from '../log.ts';
import { loadServing, untilAskedToStop } from '../serving.ts';
import { readTasks } from '../tasks/read-tasks.ts';
import type { Task } from '../tasks/task.ts';
import { EXAMPLE_POOLS, writeExample, writeTroubles } from './example-fleet.ts';
import { playBurst } from './play-burst.ts';
import { checkReportPlace } from './report.ts';
import type { StartRun } from './start-options.ts';
import { createWorkerProcesses, type WorkerProcesses } from './worker-processes.ts';

/** What is to be stopped, in the order it was started. */
type Undo = (() => Promise<void>)[];

const INTERRUPTED = 130;
const STOP_STEP_MS = 8000;

/** Starts everything in order and stops it in reverse, whatever happens in between. Resolves to the exit code. */
export async function startFleet(run: StartRun): Promise<number> {
  const undo: Undo = [];
  const interrupt = new AbortController();
  const asked = untilAskedToStop(true).then(() => interrupt.abort());
  const running = bringUp(run, { undo, asked, signal: interrupt.signal });
  try {
    return await Promise.race([running, asked.then(() => INTERRUPTED)]);
  } finally {
    // What was under way when it was interrupted fails as its servers go; nobody needs to hear of that.
    running.catch(() => undefined);
    for (const step of undo.toReversed()) await inTime(step());
  }
}

/** What does not stop in time ends with this process; it must not keep the parts below it from being stopped. */
async function inTime(stopped: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_STEP_MS);
  });
  await Promise.race([stopped, late]);
  clearTimeout(timer);
}

interface Life {
  undo: Undo;
  asked: Promise<void>;
  signal: AbortSignal;
}

async function bringUp(run: StartRun, life: Life): Promise<number> {
  const on = await open(await checkInput(run), life);
  const servers = await openServers(on);
  const emulators = on.isExample ? await openEmulators(on) : undefined;
  const { env, token } = await makeEnvironment(on, servers, emulators);
  const config = { ...(await loadServing({ env, cwd: run.cwd })), ...servers };
  await prepareDatabase(config, new Date());
  const url = await serve(on, config);
  const workers = await openWorkers(on, env);
  const { tasks, dir } = on;
  const code =
    emulators === undefined || tasks === undefined
      ? 0
      : await playBurst({ run, config, url, token, workers, emulators, tasks, dir, signal: life.signal });
  if (run.options.once) return code;
  run.say('serving; stop it with Ctrl-C');
  await life.asked;
  return code;
}

interface Input {
  run: StartRun;
  given: Config;
  /** No pools are configured: emulated clouds, whose machines end with this run, and so does its data. */
  isExample: boolean;
  /** The burst's; none is played where this is undefined. */
  tasks: readonly Task[] | undefined;
}

/** Everything that whoever started it may have got wrong, before anything is started or written. */
async function checkInput(run: StartRun): Promise<Input> {
  const { options } = run;
  if (options.reportFile !== undefined) await checkReportPlace(options.reportFile);
  const given = await loadServing(run);
  const isExample = given.pools === undefined;
  if (!isExample && options.once) {
    throw new SetupError(`--once plays the example: start it without ${given.poolsFile ?? 'a pools file'}`);
  }
  const tasks = isExample && options.burst ? await loadTasks(options.tasksFile) : undefined;
  return { run, given, isExample, tasks };
}

async function loadTasks(file: string): Promise<Task[]> {
  return Array.fromAsync(readTasks(file, { pools: EXAMPLE_POOLS }));
}

async function open(input: Input, life: Life): Promise<Opening> {
  const { run, given } = input;
  const places = await findPlaces({ checkout: run.cwd, uid: process.getuid?.() ?? 0, ...given.places });
  const searchPath = given.places.searchPath ?? DEFAULT_SEARCH_PATH;
  const folder = await openRunFolder(places, { persistent: false });
  life.undo.push(() => folder.close());
  return { ...input, life, places, searchPath, dir: folder.dir };
}

interface Opening extends Input {
  life: Life;
  places: Places;
  searchPath: string;
  dir: string;
}

/** What is known of machines in real clouds is kept from run to run. */
async function openServers({ run, life, given, places, searchPath, isExample }: Opening): Promise<Servers> {
  const { databaseUrl, redisUrl } = given;
  const urls = { databaseUrl, redisUrl };
  const persistent = !isExample;
  const { signal } = life;
  const servers = await startServers({
    ...urls,
    places,
    persistent,
    onProgress: run.say,
    searchPath,
    signal,
  });
  life.undo.push(() => servers.stop());
  return servers;
}

async function openEmulators({ run, life, searchPath, dir }: Opening): Promise<Emulators> {
  const { speed, seed } = run.options;
  const faultsFile = await writeTroubles(dir);
  const emulators = await startEmulators({ dir, searchPath, speed, seed, bootSeconds: 30, faultsFile });
  life.undo.push(() => emulators.stop());
  run.say(`emulated clouds: EC2 and Azure, ${speed} times faster than real ones`);
  return emulators;
}

/** The variables that this process and its workers are configured by. */
async function makeEnvironment(
  { run, given, dir }: Opening,
  servers: Servers,
  emulators: Emulators | undefined,
): Promise<{ env: Environment; token: string }> {
  const token = await writeToken(given.tokenFile, run.env);
  const { speed } = run.options;
  const example = emulators === undefined ? {} : await writeExample({ dir, clouds: emulators.clouds, speed });
  const env = {
    ...run.env,
    ...example,
    ...{ DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl, DROVER_TOKEN: token },
    ...{ DROVER_INSTALLATION: given.installation, DROVER_TOKEN_FILE: given.tokenFile },
    ...(given.poolsFile === undefined ? {} : { DROVER_POOLS: given.poolsFile }),
  };
  return { env, token };
}

/** An embedded run has a token of its own, in a file that only its user reads. */
async function writeToken(file: string, env: Environment): Promise<string> {
  const given = env['DROVER_TOKEN'];
  const token = given !== undefined && given !== '' ? given : randomBytes(24).toString('hex');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return token;
}

async function serve({ run, life, places }: Opening, config: ComposeConfig): Promise<string> {
  const log = createLog({ level: 'error', name: 'serve' });
  const serving = await composeServe({ config, log, clock: { now: () => new Date() }, version: VERSION });
  life.undo.push(() => serving.stop());
  await serving.start().catch((error: unknown) => {
    throw explainListen(error, config);
  });
  const runFile = join(places.checkoutDir, 'run.json');
  await mkdir(dirname(runFile), { recursive: true });
  await writeFile(runFile, JSON.stringify({ url: serving.url, tokenFile: config.tokenFile }), {
    mode: 0o600,
  });
  run.say(`drover listens at ${serving.url}`);
  run.say(`token: in ${config.tokenFile}`);
  return serving.url;
}

function explainListen(error: unknown, config: Config): unknown {
  const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  if (!isTaken) return error;
  return new SetupError(
    `port ${config.http.port} is taken: set DROVER_HTTP_PORT to another one, or to 0 for any that is free`,
  );
}

async function openWorkers(
  { run, life, searchPath, dir }: Opening,
  env: Environment,
): Promise<WorkerProcesses> {
  const { workers: count } = run.options;
  run.say(`workers: ${count} processes; their logs are in ${dir} while they run`);
  // Relative paths in variables mean the folder that the start was given in.
  const workers = createWorkerProcesses({ count, env, dir, cwd: run.cwd, searchPath, onDeath: run.say });
  life.undo.push(() => workers.stop());
  await workers.start();
  return workers;
}
