import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { audit } from '../../audit/audit.ts';
import { createClient } from '../../client/client.ts';
import type { Config, Environment } from '../../config.ts';
import { startEmulators, type Emulators } from '../../embedded/emulators.ts';
import { DEFAULT_SEARCH_PATH } from '../../embedded/find-program.ts';
import { findPlaces, type Places } from '../../embedded/places.ts';
import { openRunFolder } from '../../embedded/run-folder.ts';
import { startServers, type Servers } from '../../embedded/servers.ts';
import { SetupError } from '../../embedded/setup-error.ts';
import { composeServe, openRecords, prepareDatabase, VERSION, type ComposeConfig } from '../../main.ts';
import { createLog } from '../log.ts';
import { loadServing, untilAskedToStop } from '../serving.ts';
import { readTasks } from '../tasks/read-tasks.ts';
import type { Task } from '../tasks/task.ts';
import { startBurst, type BurstResult } from './burst.ts';
import { collectHistory } from './collect-history.ts';
import { readEmulators } from './emulator-control.ts';
import { writeExample, writeTroubles } from './example-fleet.ts';
import { isClean, makeReport, toTable, writeReport } from './report.ts';
import type { StartOptions } from './start-options.ts';
import { createWorkerProcesses, type WorkerProcesses } from './worker-processes.ts';

export interface ExampleRun {
  options: StartOptions;
  env: Environment;
  cwd: string;
  say(line: string): void;
}

type Undo = () => Promise<void>;

/** Starts everything in order and stops it in reverse, whatever happens in between. */
export async function startExample(run: ExampleRun): Promise<number> {
  const undo: Undo[] = [];
  try {
    return await bringUp(run, undo);
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

async function bringUp(run: ExampleRun, undo: Undo[]): Promise<number> {
  const { options, say } = run;
  const asked = untilAskedToStop(true);
  const given = await loadServing(run);
  const places = await findPlaces({
    checkout: run.cwd,
    uid: process.getuid?.() ?? 0,
    ...given.places,
  });
  const folder = await openRunFolder(places, { persistent: false });
  undo.push(() => folder.close());
  const searchPath = given.places.searchPath ?? DEFAULT_SEARCH_PATH;
  const servers = await openServers({ run, given, places, searchPath }, undo);
  const emulators = await openEmulators({ run, dir: folder.dir, searchPath }, undo);
  const token = await writeToken(given.tokenFile, run.env);
  const env = {
    ...run.env,
    ...(await writeExample({ dir: folder.dir, clouds: emulators.clouds, speed: options.speed })),
    ...{ DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl, DROVER_TOKEN: token },
    ...{ DROVER_INSTALLATION: given.installation, DROVER_TOKEN_FILE: given.tokenFile },
  };
  const config = { ...(await loadServing({ env, cwd: run.cwd })), ...servers };
  await prepareDatabase(config, new Date());
  const tasks = options.burst ? await loadTasks(config, options) : [];
  const url = await serve(config, { run, places, token }, undo);
  say(`workers: ${options.workers} processes; their logs are in ${folder.dir} while they run`);
  const workers = createWorkerProcesses({
    count: options.workers,
    env,
    dir: folder.dir,
    searchPath,
    onDeath: say,
  });
  undo.push(() => workers.stop());
  await workers.start();
  if (!options.burst) return await serveOn(run, asked, 0);
  const code = await runBurst({ run, config, tasks, url, token, workers, emulators, dir: folder.dir });
  return options.once ? code : await serveOn(run, asked, code);
}

async function serveOn(run: ExampleRun, asked: Promise<void>, code: number): Promise<number> {
  run.say('serving; stop it with Ctrl-C');
  await asked;
  return code;
}

interface Opening {
  run: ExampleRun;
  given: Config;
  places: Places;
  searchPath: string;
}

async function openServers({ run, given, places, searchPath }: Opening, undo: Undo[]): Promise<Servers> {
  const { databaseUrl, redisUrl } = given;
  const onProgress = run.say;
  const servers = await startServers({
    databaseUrl,
    redisUrl,
    places,
    persistent: false,
    onProgress,
    searchPath,
  });
  undo.push(() => servers.stop());
  return servers;
}

async function openEmulators(
  on: { run: ExampleRun; dir: string; searchPath: string },
  undo: Undo[],
): Promise<Emulators> {
  const { options, say } = on.run;
  const faultsFile = await writeTroubles(on.dir);
  const { speed, seed } = options;
  const { dir, searchPath } = on;
  const emulators = await startEmulators({ dir, searchPath, speed, seed, bootSeconds: 30, faultsFile });
  undo.push(() => emulators.stop());
  say(`emulated clouds: EC2 and Azure, ${speed} times faster than real ones`);
  return emulators;
}

/** The embedded run has a token of its own, in a file that only its user reads. */
async function writeToken(file: string, env: Environment): Promise<string> {
  const given = env['DROVER_TOKEN'];
  const token = given !== undefined && given !== '' ? given : randomBytes(24).toString('hex');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return token;
}

async function loadTasks(config: Config, options: StartOptions): Promise<Task[]> {
  const pools = (config.pools ?? []).map((pool) => pool.name);
  const tasks: Task[] = [];
  for await (const task of readTasks(options.tasksFile, { pools })) tasks.push(task);
  return tasks;
}

async function serve(
  config: ComposeConfig,
  on: { run: ExampleRun; places: Places; token: string },
  undo: Undo[],
): Promise<string> {
  const log = createLog({ level: 'error', name: 'serve' });
  const serving = await composeServe({ config, log, clock: { now: () => new Date() }, version: VERSION });
  undo.push(() => serving.stop());
  await serving.start().catch((error: unknown) => {
    throw explainListen(error, config);
  });
  const runFile = join(on.places.checkoutDir, 'run.json');
  await mkdir(dirname(runFile), { recursive: true });
  await writeFile(runFile, JSON.stringify({ url: serving.url, tokenFile: config.tokenFile }), {
    mode: 0o600,
  });
  on.run.say(`drover listens at ${serving.url}`);
  on.run.say(`token: in ${config.tokenFile}`);
  return serving.url;
}

function explainListen(error: unknown, config: Config): unknown {
  const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  if (!taken) return error;
  return new SetupError(
    `port ${config.http.port} is taken: set DROVER_HTTP_PORT to another one, or to 0 for any`,
  );
}

interface BurstRun {
  run: ExampleRun;
  config: ComposeConfig;
  tasks: readonly Task[];
  url: string;
  token: string;
  workers: WorkerProcesses;
  emulators: Emulators;
  dir: string;
}

const BURST_WITHIN_MS = 15 * 60_000;
const QUIET_WITHIN_MS = 5 * 60_000;
const PROGRESS_MS = 2000;

async function runBurst(on: BurstRun): Promise<number> {
  const { run, config, tasks } = on;
  const startedMs = performance.now();
  run.say(`burst: ${tasks.length} tasks from ${run.options.tasksFile}`);
  const client = createClient({ url: on.url, token: on.token });
  const burst = startBurst({
    client,
    tasks,
    speed: run.options.speed,
    now: Date.now,
    withinMs: BURST_WITHIN_MS,
    onFailure: run.say,
  });
  const stopTelling = tellProgress(run, burst.progress);
  const stopKilling = killWorkers(on);
  const result = await burst.finished;
  stopTelling();
  stopKilling();
  run.say('burst over; waiting for the pools to shrink to nothing');
  const records = await openRecords(config);
  try {
    await untilQuiet(records, on.emulators);
    return await judge(on, { result, records, startedMs });
  } finally {
    await records.close();
  }
}

function killWorkers({ run, workers }: BurstRun): () => void {
  const everySeconds = run.options.killWorkerEverySeconds;
  if (everySeconds === 0) return () => undefined;
  const timer = setInterval(() => workers.killOne(), everySeconds * 1000);
  return () => clearInterval(timer);
}

function tellProgress(run: ExampleRun, progress: ReturnType<typeof startBurst>['progress']): () => void {
  const timer = setInterval(() => {
    const pools = [...progress()].map(([pool, count]) => {
      const failed = count.failed === 0 ? '' : `, ${count.failed} failed`;
      return `${pool}: ${count.waiting} waiting, ${count.holding} holding, ${count.done} done${failed}`;
    });
    run.say(pools.join(' | '));
  }, PROGRESS_MS);
  return () => clearInterval(timer);
}

type Records = Awaited<ReturnType<typeof openRecords>>;

/** Nothing is left in the database or in a cloud; bounded, since what stays is what the audit tells. */
async function untilQuiet(records: Records, emulators: Emulators): Promise<void> {
  const deadline = performance.now() + QUIET_WITHIN_MS;
  while (performance.now() < deadline) {
    const left = await records.machinesLeft();
    const states = await readEmulators(emulators.clouds.control);
    if (left.length === 0 && Object.values(states).every((cloud) => cloud.alive.length === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function judge(
  on: BurstRun,
  from: { result: BurstResult; records: Records; startedMs: number },
): Promise<number> {
  const { run, config } = on;
  const states = await readEmulators(on.emulators.clouds.control);
  const left = await from.records.machinesLeft();
  const leases = await from.records.leases();
  const history = await collectHistory(
    {
      stored: from.records.history(),
      logDir: on.dir,
      acks: from.result.acks,
      states,
      machines: left,
      leases,
      reconcileRoundMs: config.work.reconcileMs * 2,
      limits: Object.fromEntries((config.pools ?? []).map((pool) => [pool.name, pool.max])),
      at: Date.now(),
    },
    join(dirname(config.tokenFile), 'history.jsonl'),
  );
  const verdict = audit(history);
  const seconds = (performance.now() - from.startedMs) / 1000;
  const report = makeReport({ burst: from.result, states, verdict, seconds });
  run.say(toTable(report, verdict, states));
  if (run.options.reportFile !== undefined) await writeReport(report, run.options.reportFile);
  return isClean(report) ? 0 : 1;
}
