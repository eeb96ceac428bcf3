import { ErrorCode, FlowProducer, type FlowJob, Queue, type JobsOptions } from 'bullmq';
import { HANDED_OVER_MS, isHandedOver, stepsOwed } from '../fleet/lifecycle.ts';
import type { Bell } from '../fleet/outbox.ts';
import { CATALOGUE, jobIds, QUEUE_NAMES, queueOf, type QueueName } from './catalogue.ts';
import type { RedisLine } from './connections.ts';

export interface Publisher {
  /** Adds what these bells ask for; answers the ones to try again, and when. */
  publish(bells: readonly Bell[], now: Date): Promise<ReadonlyMap<number, Date>>;
  batch(batch: string, ring: number, delayMs: number): Promise<void>;
  scale(pool: string): Promise<void>;
  /** One reconcile round; a second process asking for the same one adds nothing. */
  reconcile(round: number): Promise<void>;
  live(jobs: readonly { queue: string; id: string }[]): Promise<ReadonlySet<string>>;
  /** True where a job of this queue waits and nothing but a worker is missing. */
  waits(queue: string): Promise<boolean>;
  queues: ReadonlyMap<QueueName, Queue>;
  close(): Promise<void>;
}

const KEPT = 200;
/** How soon a wake is repeated while its job is still active. */
const WAKE_AGAIN_MS = 25;
const WAKE_TRIES = 400;

export function createPublisher(options: { connection: RedisLine; prefix: string }): Publisher {
  const shared = { connection: options.connection, prefix: options.prefix };
  const queues = new Map(QUEUE_NAMES.map((name) => [name, new Queue(name, shared)]));
  const flows = new FlowProducer(shared);
  const queue = (name: QueueName): Queue => {
    const found = queues.get(name);
    if (found === undefined) throw new Error(`there is no queue ${name}`);
    return found;
  };
  const batch = async (id: string, ring: number, delayMs: number): Promise<void> => {
    await queue('batch').add(
      'batch',
      { batch: id },
      { ...jobOptions('batch'), jobId: jobIds.batch(id, ring), delay: delayMs },
    );
  };
  return {
    queues,
    batch,
    publish: (bells, now) => publish({ flows, queue, batch }, bells, now),
    async scale(pool) {
      const deduplication = { id: pool, keepLastIfActive: true };
      await queue('scale').add('scale', { pool }, { ...jobOptions('scale'), deduplication });
    },
    async reconcile(round) {
      await queue('reconcile').add(
        'reconcile',
        { round },
        { ...jobOptions('reconcile'), jobId: `reconcile.${round}` },
      );
    },
    live: (jobs) => live(queue, jobs),
    async waits(name) {
      const found = QUEUE_NAMES.find((each) => each === name);
      if (found === undefined || (await queue(found).isPaused())) return false;
      return (await queue(found).getJobCountByTypes('wait', 'prioritized')) > 0;
    },
    async close() {
      await Promise.all([...queues.values()].map((each) => each.close()));
      await flows.close();
    },
  };
}

function jobOptions(name: QueueName): JobsOptions {
  const entry = CATALOGUE[name];
  return {
    attempts: entry.attempts,
    backoff: { type: 'exponential', delay: entry.backoffMs },
    removeOnComplete: { count: KEPT },
    removeOnFail: { count: KEPT },
  };
}

interface Adders {
  flows: FlowProducer;
  queue(name: QueueName): Queue;
  batch(id: string, ring: number, delayMs: number): Promise<void>;
}

async function publish(to: Adders, bells: readonly Bell[], now: Date): Promise<ReadonlyMap<number, Date>> {
  const flows = bells
    .filter((bell) => bell.kind === 'flow')
    .map(toFlow)
    .filter((flow) => flow !== undefined);
  const again = new Map<number, Date>();
  await Promise.all([
    flows.length > 0 ? to.flows.addBulk(flows) : undefined,
    ...bells.map(async (bell) => {
      if (bell.kind === 'step') await addStep(to, bell);
      if (bell.kind === 'batch') await to.batch(bell.batch, bell.ring, 0);
      if (bell.kind === 'wake' && !(await wake(to, bell)))
        again.set(bell.id, new Date(now.getTime() + WAKE_AGAIN_MS));
    }),
  ]);
  return again;
}

/**
 * The steps an intent still owes, each waiting for the one before it. A step that finally fails fails those after it:
 * they never run without it, and reconcile rings what is still owed.
 */
export function toFlow(bell: Extract<Bell, { kind: 'flow' }>): FlowJob | undefined {
  let flow: FlowJob | undefined;
  const steps = stepsOwed(bell.state, bell.intentKind);
  for (const [index, step] of steps.entries()) {
    const data = { machine: bell.machine, intent: bell.intent, pool: bell.pool, ring: 0 };
    const waitsFor = flow === undefined ? {} : { children: [flow] };
    flow = {
      ...{ name: step, queueName: step, data, ...waitsFor },
      opts: {
        ...jobOptions(step),
        jobId: jobIds.step(step, bell.intent, 0),
        failParentOnFailure: true,
        ...(isHandedOver(step, steps[index - 1]) ? { delay: HANDED_OVER_MS } : {}),
        // The record of a failed step must outlive its intent, or BullMQ would take its absence for success.
        removeOnFail: false,
      },
    };
  }
  if (flow?.opts !== undefined) delete flow.opts.failParentOnFailure;
  return flow;
}

async function addStep(to: Adders, bell: Extract<Bell, { kind: 'step' }>): Promise<void> {
  const { machine, intent, pool, ring, step } = bell;
  await to
    .queue(step)
    .add(
      step,
      { machine, intent, pool, ring },
      { ...jobOptions(step), jobId: jobIds.step(step, intent, ring) },
    );
}

/**
 * True when there is nothing left to do: the job was delayed and runs now, or it waits for nothing, or is gone.
 * Almost always it is delayed, so it is promoted unseen, and looked at only where that was refused.
 */
async function wake(to: Adders, bell: Extract<Bell, { kind: 'wake' }>): Promise<boolean> {
  const name = queueOf(bell.job);
  if (name === undefined) return true;
  try {
    await to.queue(name).getBackend().promote(bell.job);
    return true;
  } catch (error) {
    if (!isNotDelayed(error)) throw error;
  }
  const state = await to.queue(name).getJobState(bell.job);
  return !NOT_YET.has(state) || bell.tries >= WAKE_TRIES;
}

/** Still at work or waiting for the job before it, or delayed by now: looked at again. */
const NOT_YET = new Set(['active', 'waiting-children', 'delayed']);

function isNotDelayed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === ErrorCode.JobNotInState;
}

const RUNS = new Set(['waiting', 'active', 'delayed', 'prioritized', 'paused']);

async function live(
  queue: (name: QueueName) => Queue,
  jobs: readonly { queue: string; id: string }[],
): Promise<ReadonlySet<string>> {
  const states = await Promise.all(
    jobs.map(async (job) => {
      const name = QUEUE_NAMES.find((each) => each === job.queue);
      return name === undefined ? 'unknown' : queue(name).getJobState(job.id);
    }),
  );
  return new Set(jobs.filter((_, index) => RUNS.has(states[index] ?? 'unknown')).map((job) => job.id));
}
