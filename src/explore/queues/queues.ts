import type { Outcome } from '../../fleet/ports.ts';
import type { Randomness } from '../randomness.ts';
import type { Process } from '../scheduler.ts';
import { ATTEMPTS, type QueueName } from './queue-names.ts';
import type { Work } from './worker-table.ts';

/** A job's record in Redis. */
export interface Job {
  id: string;
  queue: QueueName;
  work: Work;
  state: 'waiting' | 'delayed' | 'active' | 'waiting-children' | 'completed' | 'failed';
  runAtMs: number;
  attemptsMade: number;
  /** Of the fetch that works on it. */
  token: number;
  holder: Process | null;
  lockUntilMs: number;
  /** The job that waits for it. */
  parent: string | null;
  waitsFor: Set<string>;
  /** How long it is delayed once it waits for no other. */
  delayMs: number;
  /** Asked for again while active: added once it is done. */
  again: boolean;
}

/** How a job's processor came out, as a worker host tells the queues. */
export type JobEnd = { kind: 'outcome'; outcome: Outcome } | { kind: 'error' } | { kind: 'unrecoverable' };

/** How long the queues believe in a worker that says nothing. */
export const JOB_LOCK_MS = 10_000;
const BACKOFF_MS = 200;
/** Finished records kept in each queue: few, so that ids are forgotten within a run. */
const KEPT = 20;

export interface Queues {
  jobs: ReadonlyMap<string, Job>;
  /** Adds a job unless a record of its id exists; one with `children` waits for them. */
  add(job: NewJob): void;
  /** A waiting job of this queue for a process; it is its until its lock runs out. */
  fetch(queue: QueueName, holder: Process): Job | undefined;
  hasWaiting(queue: QueueName): boolean;
  /** Ends a fetch; without effect under another token than the record's. */
  end(id: string, token: number, how: JobEnd): boolean;
  /** Renews a process's locks; answers the fetches whose lock is lost. */
  renew(fetches: readonly { id: string; token: number }[]): readonly { id: string; token: number }[];
  /** Has active jobs fetched again whose worker has been silent for too long; answers how many. */
  stall(): number;
  live(ids: readonly string[]): ReadonlySet<string>;
  /** At work, or waiting for the job before it. */
  isBusy(id: string): boolean;
  /** Has a delayed job run now. */
  promote(id: string): void;
  remove(id: string): void;
  empty(): void;
}

export interface NewJob {
  id: string;
  queue: QueueName;
  work: Work;
  delayMs?: number;
  parent?: string;
  waitsFor?: readonly string[];
}

/**
 * Delivery as BullMQ does it: at least once, in any order, children before parents, records that keep their id taken,
 * locks that run out, and nothing that outlives an emptied Redis.
 */
export function createQueues(world: { nowMs(): number; random: Randomness }): Queues {
  const jobs = new Map<string, Job>();
  const redis: Redis = { ...world, jobs, fetches: 0 };
  return {
    jobs,
    add: (job) => add(redis, job),
    fetch: (queue, holder) => fetch(redis, queue, holder),
    hasWaiting: (queue) => waiting(redis, queue).length > 0,
    end: (id, token, how) => end(redis, { id, token, how }),
    renew: (fetches) => fetches.filter((each) => !renew(redis, each)),
    stall: () => stall(redis),
    live: (ids) => new Set(ids.filter((id) => LIVE.has(jobs.get(id)?.state ?? ''))),
    isBusy: (id) => BUSY.has(jobs.get(id)?.state ?? ''),
    promote(id) {
      const job = jobs.get(id);
      if (job?.state === 'delayed') job.runAtMs = redis.nowMs();
    },
    remove(id) {
      const job = jobs.get(id);
      jobs.delete(id);
      if (job !== undefined) freeParent(redis, job);
    },
    empty: () => jobs.clear(),
  };
}

interface Redis {
  nowMs(): number;
  random: Randomness;
  jobs: Map<string, Job>;
  fetches: number;
}

const BUSY = new Set<string>(['active', 'waiting-children']);
const LIVE = new Set<string>(['waiting', 'active', 'delayed']);

function add(redis: Redis, { id, queue, work, delayMs = 0, parent, waitsFor = [] }: NewJob): void {
  const { jobs } = redis;
  const known = jobs.get(id);
  if (known !== undefined) return;
  const unfinished = waitsFor.filter((child) => jobs.get(child)?.state !== 'completed');
  jobs.set(id, {
    ...{ id, queue, work, parent: parent ?? null, waitsFor: new Set(unfinished) },
    state: unfinished.length > 0 ? 'waiting-children' : delayMs > 0 ? 'delayed' : 'waiting',
    runAtMs: redis.nowMs() + delayMs,
    ...{ delayMs, attemptsMade: 0, token: 0, holder: null, lockUntilMs: 0, again: false },
  });
}

function waiting(redis: Redis, queue: QueueName): Job[] {
  const found: Job[] = [];
  for (const job of redis.jobs.values()) {
    if (job.queue !== queue) continue;
    const isDue = job.state === 'delayed' && job.runAtMs <= redis.nowMs();
    if (job.state === 'waiting' || isDue) found.push(job);
  }
  return found;
}

function fetch(redis: Redis, queue: QueueName, holder: Process): Job | undefined {
  const job = redis.random.pick(waiting(redis, queue));
  if (job === undefined) return undefined;
  redis.fetches += 1;
  const lockUntilMs = redis.nowMs() + JOB_LOCK_MS;
  return Object.assign(job, { state: 'active', token: redis.fetches, holder, lockUntilMs } as const);
}

function renew(redis: Redis, { id, token }: { id: string; token: number }): boolean {
  const job = redis.jobs.get(id);
  if (job?.state !== 'active' || job.token !== token) return false;
  job.lockUntilMs = redis.nowMs() + JOB_LOCK_MS;
  return true;
}

function stall(redis: Redis): number {
  let stalled = 0;
  for (const job of redis.jobs.values()) {
    if (job.state !== 'active' || job.lockUntilMs > redis.nowMs()) continue;
    Object.assign(job, { state: 'waiting', token: 0, holder: null } as const);
    stalled += 1;
  }
  return stalled;
}

function end(redis: Redis, { id, token, how }: { id: string; token: number; how: JobEnd }): boolean {
  const job = redis.jobs.get(id);
  if (job?.state !== 'active' || job.token !== token) return false;
  Object.assign(job, { token: 0, holder: null });
  if (how.kind === 'outcome' && how.outcome.kind === 'later') {
    job.state = 'delayed';
    job.runAtMs = Math.max(how.outcome.until.getTime(), redis.nowMs() + 1);
  } else if (how.kind === 'outcome') complete(redis, job);
  else retryOrFail(redis, job, how.kind === 'unrecoverable');
  return true;
}

function complete(redis: Redis, job: Job): void {
  job.state = 'completed';
  freeParent(redis, job);
  forgetOldest(redis, job);
  if (!job.again) return;
  redis.jobs.delete(job.id);
  const { id, queue, work } = job;
  add(redis, { id, queue, work });
}

/** A child that is done, or whose record is gone, is waited for no longer: absence counts as success. */
function freeParent(redis: Redis, child: Job): void {
  const parent = child.parent === null ? undefined : redis.jobs.get(child.parent);
  if (parent?.state !== 'waiting-children') return;
  parent.waitsFor.delete(child.id);
  if (parent.waitsFor.size > 0) return;
  parent.state = parent.delayMs > 0 ? 'delayed' : 'waiting';
  parent.runAtMs = redis.nowMs() + parent.delayMs;
}

function retryOrFail(redis: Redis, job: Job, isFinal: boolean): void {
  job.attemptsMade += 1;
  if (!isFinal && job.attemptsMade < ATTEMPTS[job.queue]) {
    job.state = 'delayed';
    job.runAtMs = redis.nowMs() + BACKOFF_MS * 2 ** (job.attemptsMade - 1);
    return;
  }
  // A flow's steps fail with the one they wait for, and their records stay.
  for (let each: Job | undefined = job; each !== undefined;) {
    each.state = 'failed';
    const parent: Job | undefined = each.parent === null ? undefined : redis.jobs.get(each.parent);
    each = parent?.state === 'waiting-children' ? parent : undefined;
  }
}

function forgetOldest(redis: Redis, last: Job): void {
  const done = [...redis.jobs.values()].filter(
    (job) => job.queue === last.queue && job.state === 'completed',
  );
  for (const job of done.slice(0, Math.max(0, done.length - KEPT))) redis.jobs.delete(job.id);
}
