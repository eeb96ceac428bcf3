import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../embedded/wait-until.ts';
import { openRecords } from '../../main.ts';
import { readEmulators } from '../start/emulator-control.ts';
import { checkReportPlace } from '../start/report.ts';
import { readTasks } from '../tasks/read-tasks.ts';
import type { Task } from '../tasks/task.ts';
import { createBlows, type Blows } from './blows.ts';
import { chanceOf, SPEED, startChaosFleet, type ChaosFleet, type ChaosRun } from './chaos-fleet.ts';
import { createClaimsLook } from './claims.ts';
import { createEmulatorBlows } from './emulator-blows.ts';
import { judgeChaos } from './judge-chaos.ts';
import { startLoad, type Load, type LoadResult } from './load.ts';
import { openClient } from './open-client.ts';
import { planBlows, type Blow, type BlowKind } from './plan.ts';

const TASKS_FILE = 'examples/arrivals.csv';
/** With SPEED: about eight requests a second, on average, and as many bursts as the trace has. */
const STRETCH = 5;
/** Leases under way at a time. */
const GOING = { least: 60, most: 100 };
const QUIET_WITHIN_MS = 5 * 60_000;
const PROGRESS_MS = 10_000;

/**
 * Brings up a whole fleet, has blows fall on it by the seed's plan while clients use it, lets it come to rest and
 * audits what happened. Resolves to the exit code: 0 only where everything held.
 */
export async function runChaos(run: ChaosRun): Promise<number> {
  const { options, say, signal } = run;
  if (options.reportFile !== undefined) await checkReportPlace(options.reportFile);
  const startedMs = performance.now();
  const draw = chanceOf(options.seed);
  const fleet = await startChaosFleet(run, draw);
  const client = openClient({ urls: fleet.apiUrls, token: fleet.token });
  const arrivals = new AbortController();
  const load = startLoad({
    ...{ client, tasks: await loadTasks(fleet), speed: SPEED, going: GOING },
    ...{ arrivalsEnd: arrivals.signal, signal, now: Date.now },
  });
  run.undo.push(async () => arrivals.abort());
  const blows = openBlows(fleet, run, draw);
  run.undo.push(async () => blows.calm());
  const counts = await strikeAll(run, { blows, load });
  say('no more blows; waiting for everything to come to rest');
  arrivals.abort();
  await blows.calm();
  const result = await comeToRest(run, { fleet, load });
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  return judgeChaos(run, { fleet, client, result, counts, losses: blows.losses(), seconds });
}

async function loadTasks({ config }: ChaosFleet): Promise<Task[]> {
  const pools = (config.pools ?? []).map((pool) => pool.name);
  const tasks: Task[] = [];
  for await (const task of readTasks(TASKS_FILE, { pools, stretch: STRETCH })) tasks.push(task);
  return tasks;
}

function openBlows(fleet: ChaosFleet, run: ChaosRun, draw: ReturnType<typeof chanceOf>): Blows {
  const { workers, apis, servers, sql, redis, config } = fleet;
  const { ec2, control } = fleet.emulators.clouds;
  const [zone = ''] = Object.keys(ec2.subnets);
  const emulators = createEmulatorBlows({ control, draw, instanceType: 'm7i.large', zone });
  const look = createClaimsLook({ sql, redis, prefix: `{${config.redisPrefix}}` });
  const { signal } = run;
  return createBlows({
    ...{ workers, apis, servers, emulators, look, sql, redis, draw, signal },
    now: Date.now,
  });
}

export type BlowCounts = Map<BlowKind, number>;

/** One after another, each at its time or as soon as the one before it is over. */
async function strikeAll(run: ChaosRun, on: { blows: Blows; load: Load }): Promise<BlowCounts> {
  const plan = planBlows(run.options);
  const counts: BlowCounts = new Map();
  const startedMs = performance.now();
  const timer = setInterval(() => tellProgress(run, { counts, startedMs, load: on.load }), PROGRESS_MS);
  run.say(`${plan.length} blows within ${run.options.minutes} minutes, seed ${run.options.seed}`);
  try {
    for (const blow of plan) {
      await sleep(Math.max(0, startedMs + blow.atMs - performance.now()), undefined, { signal: run.signal });
      if (await strike(run, on.blows, blow)) counts.set(blow.kind, (counts.get(blow.kind) ?? 0) + 1);
    }
    const leftMs = startedMs + run.options.minutes * 60_000 - performance.now();
    await sleep(Math.max(0, leftMs), undefined, { signal: run.signal });
  } finally {
    clearInterval(timer);
  }
  return counts;
}

/** A blow that fails is told and not counted: where its kind never falls, the run fails. */
async function strike(run: ChaosRun, blows: Blows, blow: Blow): Promise<boolean> {
  try {
    return await blows.strike(blow);
  } catch (error) {
    run.signal.throwIfAborted();
    run.say(`${blow.kind} could not fall: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function tellProgress(run: ChaosRun, on: { counts: BlowCounts; startedMs: number; load: Load }): void {
  const seconds = Math.round((performance.now() - on.startedMs) / 1000);
  const fallen = [...on.counts.values()].reduce((sum, count) => sum + count, 0);
  run.say(`${seconds} s: ${fallen} blows have fallen, ${on.load.going()} leases are under way`);
}

/** Until clients are done, and nothing is left in the database or in a cloud; bounded, what stays is the audit's. */
async function comeToRest(run: ChaosRun, on: { fleet: ChaosFleet; load: Load }): Promise<LoadResult> {
  const { fleet, load } = on;
  const { signal } = run;
  const wait = { deadlineMs: QUIET_WITHIN_MS, everyMs: 500, signal };
  const records = await openRecords(fleet.config);
  try {
    await waitUntil(wait, async () => (load.going() === 0 ? true : undefined));
    await waitUntil(wait, async () => {
      const left = await records.machinesLeft();
      const states = await readEmulators(fleet.emulators.clouds.control);
      const isEmpty = left.length === 0 && Object.values(states).every(({ alive }) => alive.length === 0);
      return isEmpty ? true : undefined;
    });
  } finally {
    await records.close();
  }
  return load.stop();
}
