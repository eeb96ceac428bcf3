import type { Client } from '../../client/client.ts';
import type { Lease } from '../../client/shapes.ts';
import type { AckRecord } from '../../audit/history.ts';
import type { Task } from '../tasks/task.ts';

export interface BurstResult {
  requested: number;
  completed: number;
  failed: number;
  stuck: number;
  /** What the client was told, as it received it. */
  acks: AckRecord[];
}

export interface BurstOptions {
  client: Client;
  tasks: readonly Task[];
  /** Arrivals and hold times are divided by this; nothing else is. */
  speed: number;
  now(): number;
  /** Bounds the whole burst. */
  withinMs: number;
  /** Ends it before its time; what was not done by then is stuck. */
  signal: AbortSignal;
  onFailure(line: string): void;
}

export interface Burst {
  /** Counts while it runs: by pool, how many tasks wait, hold a machine, and are done. */
  progress(): ReadonlyMap<string, { waiting: number; holding: number; done: number; failed: number }>;
  finished: Promise<BurstResult>;
}

const HEARTBEAT_MS = 20_000;

/** Runs every task as a user would: ask for a machine when its time has come, hold it, give it back. */
export function startBurst(options: BurstOptions): Burst {
  const counts = new Map<string, { waiting: number; holding: number; done: number; failed: number }>();
  const acks: AckRecord[] = [];
  const told = (lease: Lease): Lease => {
    acks.push({ type: 'ack', at: options.now(), lease: lease.id, state: lease.state });
    return lease;
  };
  const deadline = AbortSignal.any([AbortSignal.timeout(options.withinMs), options.signal]);
  const runs = options.tasks.map((task) =>
    runTask({ ...options, task, counts: countsOf(counts, task), told, deadline }),
  );
  return { progress: () => counts, finished: finish(runs, acks) };
}

type Counts = { waiting: number; holding: number; done: number; failed: number };

function countsOf(counts: Map<string, Counts>, task: Task): Counts {
  const name = task.selector.pool ?? 'any';
  const known = counts.get(name) ?? { waiting: 0, holding: 0, done: 0, failed: 0 };
  counts.set(name, known);
  return known;
}

interface TaskRun extends BurstOptions {
  task: Task;
  counts: Counts;
  told(lease: Lease): Lease;
  deadline: AbortSignal;
}

type Fate = 'completed' | 'failed' | 'stuck';

async function runTask(run: TaskRun): Promise<Fate> {
  const { client, task, told, counts, deadline: signal } = run;
  await pause((task.arrivalSeconds * 1000) / run.speed, signal);
  counts.waiting += 1;
  let at: 'waiting' | 'holding' = 'waiting';
  try {
    const { pool, ...rest } = task.selector;
    const selector = { ...(pool === undefined ? {} : { pool }), ...rest, tags: [...(rest.tags ?? [])] };
    const asked = told(await client.requestLease({ ...selector, priority: task.priority }, { signal }));
    const lease = told(await client.waitForLease(asked.id, { timeoutMs: run.withinMs, signal }));
    if (lease.state !== 'active')
      return fail(run, at, `lease ${lease.id} is ${lease.state} (${lease.reason ?? 'no reason'})`);
    counts.waiting -= 1;
    counts.holding += 1;
    at = 'holding';
    await hold(run, lease.id);
    told(await client.complete(lease.id, 'completed', { signal }));
    counts.holding -= 1;
    counts.done += 1;
    return 'completed';
  } catch (error) {
    if (signal.aborted) return 'stuck';
    if (error instanceof Error) return fail(run, at, error.message);
    throw error;
  }
}

function fail(run: TaskRun, at: 'waiting' | 'holding', why: string): Fate {
  run.counts[at] -= 1;
  run.counts.failed += 1;
  run.onFailure(`task of line ${run.task.line} failed: ${why}`);
  return 'failed';
}

/** A long hold says now and then that it is still there. */
async function hold(run: TaskRun, lease: string): Promise<void> {
  let leftMs = (run.task.holdSeconds * 1000) / run.speed;
  while (leftMs > HEARTBEAT_MS) {
    await pause(HEARTBEAT_MS, run.deadline);
    leftMs -= HEARTBEAT_MS;
    await run.client.heartbeat(lease, { signal: run.deadline });
  }
  await pause(leftMs, run.deadline);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

async function finish(runs: readonly Promise<Fate>[], acks: AckRecord[]): Promise<BurstResult> {
  const fates = await Promise.all(runs);
  const count = (fate: Fate): number => fates.filter((each) => each === fate).length;
  return {
    requested: fates.length,
    completed: count('completed'),
    failed: count('failed'),
    stuck: count('stuck'),
    acks,
  };
}
