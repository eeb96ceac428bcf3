import { hostname } from 'node:os';
import { pid } from 'node:process';
import { DelayedError, type Job, UnrecoverableError, Worker as BullWorker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { FleetError } from '../fleet/errors.ts';
import type { Log, Outcome } from '../fleet/ports.ts';
import { createHangWatch, type HangWatch, type Watched } from './hang-watch.ts';

export interface HostedQueue {
  name: string;
  concurrency: number;
  /** Throws, with a sentence that names the field, for a payload that its queue's schema does not allow. */
  check(payload: unknown): void;
  work(payload: unknown, signal: AbortSignal): Promise<Outcome>;
}

export interface WorkerHost {
  start(): Promise<void>;
  /** Lets running jobs finish for as long as `graceMs`, then tells them by their signal and leaves them to others. */
  stop(graceMs?: number): Promise<void>;
}

export interface WorkerHostOptions {
  queues: readonly HostedQueue[];
  connection(): Redis | Cluster;
  prefix: string;
  stalls: { lockMs: number; lookMs: number; most: number };
  /** A worker that takes nothing for this long, although a job of its queue waits, is started anew. */
  hangs?: { afterMs: number; waits(queue: string): Promise<boolean> };
  log: Log;
  now(): Date;
}

/** Runs workers on BullMQ: the one place that maps their outcomes and errors to what BullMQ understands. */
export function createWorkerHost(options: WorkerHostOptions): WorkerHost {
  let running: Hosted[] = [];
  let watch: HangWatch | undefined;
  return {
    async start() {
      running = options.queues.map((queue) => hostQueue(options, queue));
      await Promise.all(running.map((hosted) => hosted.ready()));
      const { hangs, log, now } = options;
      if (hangs !== undefined) watch = createHangWatch({ watched: running, ...hangs, log, now });
      watch?.start();
    },
    async stop(graceMs = 5000) {
      await watch?.stop();
      watch = undefined;
      const stopping = running;
      running = [];
      await Promise.all(stopping.map((hosted) => hosted.stop(graceMs)));
    },
  };
}

interface Hosted extends Watched {
  ready(): Promise<unknown>;
  stop(graceMs: number): Promise<void>;
}

/** What its jobs under way get to end with a Redis that may be gone for them. */
const RESTART_GRACE_MS = 5000;

function hostQueue(options: WorkerHostOptions, queue: HostedQueue): Hosted {
  const count = { begun: 0 };
  const counting: HostedQueue = {
    ...queue,
    work(payload, signal) {
      count.begun += 1;
      return queue.work(payload, signal);
    },
  };
  let current = startWorker(options, counting);
  const leaving = new Set<Promise<void>>();
  return {
    queue: queue.name,
    begun: () => count.begun,
    hasRoom: () => current.leave.size < queue.concurrency,
    ready: () => current.worker.waitUntilReady(),
    restart() {
      const old = current;
      current = startWorker(options, counting);
      // With its connection goes every command that was never answered, so that its close can end, too.
      const left = stopWorker(old, RESTART_GRACE_MS).finally(() => old.connection.disconnect());
      leaving.add(left);
      void left.finally(() => leaving.delete(left));
    },
    async stop(graceMs) {
      await Promise.all([stopWorker(current, graceMs), ...leaving]);
    },
  };
}

interface RunningWorker {
  worker: BullWorker;
  connection: ReturnType<WorkerHostOptions['connection']>;
  /** How each job under way is left to others: put off, without burning an attempt. */
  leave: Set<() => void>;
}

function startWorker(options: WorkerHostOptions, queue: HostedQueue): RunningWorker {
  const { log, stalls } = options;
  const leave: RunningWorker['leave'] = new Set();
  // BullMQ hands over the signal only to a processor that names three parameters.
  const process = async (
    job: Job,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<unknown> => {
    const work = runJob({ options, queue, job, signal: signal ?? new AbortController().signal });
    const outcome = await unlessLeft(work, { options, leave });
    if (outcome.kind !== 'later') return outcome;
    await job.moveToDelayed(Math.max(outcome.until.getTime(), options.now().getTime() + 1), token);
    throw new DelayedError(outcome.why);
  };
  const connection = options.connection();
  const worker = new BullWorker(queue.name, process, {
    connection,
    prefix: options.prefix,
    // A job shows who is at it.
    name: `${hostname()}.${pid}`,
    concurrency: queue.concurrency,
    lockDuration: stalls.lockMs,
    stalledInterval: stalls.lookMs,
    maxStalledCount: stalls.most,
  });
  worker.on('error', (err) =>
    log.warn({ err, queue: queue.name }, 'a queue worker met an error and goes on'),
  );
  worker.on('failed', (job, err) => log.warn({ err, queue: queue.name, job: job?.id }, 'a job failed'));
  worker.on('lockRenewalFailed', (jobs) => {
    for (const job of jobs) worker.cancelJob(job, 'its lock was lost');
  });
  return { worker, connection, leave };
}

/** What came of the work, or of leaving it: then somebody else goes on with it once our claims have run out. */
function unlessLeft(
  work: Promise<Outcome>,
  on: { options: WorkerHostOptions; leave: RunningWorker['leave'] },
): Promise<Outcome> {
  const { options, leave } = on;
  return new Promise((resolve, reject) => {
    const left = (): void => {
      const until = new Date(options.now().getTime() + options.stalls.lockMs);
      resolve({ kind: 'later', until, why: 'its process stopped' });
    };
    leave.add(left);
    work.then(resolve, reject).finally(() => leave.delete(left));
  });
}

async function runJob(on: {
  options: WorkerHostOptions;
  queue: HostedQueue;
  job: Job;
  signal: AbortSignal;
}): Promise<Outcome> {
  try {
    on.queue.check(on.job.data);
  } catch (error) {
    throw new UnrecoverableError(
      `job ${on.job.id ?? ''}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  try {
    return await on.queue.work(on.job.data, on.signal);
  } catch (error) {
    return afterError(on, error);
  }
}

const LATER_MS = 1000;

/** `retry` burns an attempt; what another side has asked us to wait for, or that is away for now, does not. */
function afterError(on: { options: WorkerHostOptions }, error: unknown): Outcome {
  if (!(error instanceof FleetError)) throw error;
  switch (error.remedy) {
    case 'retry-later':
    case 'retry-elsewhere': {
      const until = new Date(on.options.now().getTime() + (error.retryAfterMs ?? LATER_MS));
      return { kind: 'later', until, why: error.message };
    }
    case 'give-up':
    case 'gone':
      throw new UnrecoverableError(error.message);
    case 'retry':
      throw error;
  }
}

const LEAVE_MS = 1000;

/** BullMQ's own close waits for running jobs for ever: past the grace they are told, and left. */
async function stopWorker({ worker, leave }: RunningWorker, graceMs: number): Promise<void> {
  const closing = worker.close();
  if (await endsWithin(closing, graceMs)) return;
  worker.cancelAllJobs('its process stopped');
  for (const left of leave) left();
  // Redis may be away too: what could not be put off will be found as stalled.
  await endsWithin(closing, LEAVE_MS);
}

async function endsWithin(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const ended = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}
