import { dirname, join } from 'node:path';
import { audit } from '../../audit/audit.ts';
import { createClient } from '../../client/client.ts';
import type { Emulators } from '../../embedded/emulators.ts';
import { openRecords, type ComposeConfig } from '../../main.ts';
import type { Task } from '../tasks/task.ts';
import { startBurst, type BurstResult } from './burst.ts';
import { collectHistory } from './collect-history.ts';
import { readEmulators } from './emulator-control.ts';
import { isClean, makeReport, toTable, writeReport } from './report.ts';
import type { StartRun } from './start-options.ts';
import type { WorkerProcesses } from './worker-processes.ts';

export interface BurstRun {
  run: StartRun;
  config: ComposeConfig;
  tasks: readonly Task[];
  url: string;
  token: string;
  workers: WorkerProcesses;
  emulators: Emulators;
  dir: string;
  /** Breaks it off. */
  signal: AbortSignal;
}

const BURST_WITHIN_MS = 15 * 60_000;
const QUIET_WITHIN_MS = 5 * 60_000;
const PROGRESS_MS = 2000;

/**
 * Plays the tasks as their users would, waits until the pools have shrunk to nothing, and audits what happened.
 * Resolves to the exit code: 0 only where everything held. Rejects where it is broken off.
 */
export async function playBurst(on: BurstRun): Promise<number> {
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
    signal: on.signal,
    onFailure: run.say,
  });
  const stopTelling = tellProgress(run, burst.progress);
  const stopKilling = killWorkers(on);
  const result = await burst.finished;
  stopTelling();
  stopKilling();
  on.signal.throwIfAborted();
  run.say('burst over; waiting for the pools to shrink to nothing');
  const records = await openRecords(config);
  try {
    await untilQuiet(records, on);
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

function tellProgress(run: StartRun, progress: ReturnType<typeof startBurst>['progress']): () => void {
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
async function untilQuiet(records: Records, { emulators, signal }: BurstRun): Promise<void> {
  const deadline = performance.now() + QUIET_WITHIN_MS;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
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
