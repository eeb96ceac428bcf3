import { randomUUID } from 'node:crypto';
import { type FlowJob, FlowProducer, Worker, type WorkerOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { CATALOGUE, STALLS } from '../src/queues/catalogue.ts';
import { createConnections } from '../src/queues/connections.ts';
import { toFlow } from '../src/queues/publisher.ts';
import { STEP_QUEUES, watchStepQueues } from './step-queues.ts';

/** One side of the comparison. */
export interface Side {
  /** Makes everything ready that is not timed. */
  prepare(count: number): Promise<void>;
  /** Runs the prepared chains to their end. */
  run(count: number): Promise<void>;
  close(): Promise<void>;
}

/** How many flows are added at once. */
export const ADDED_AT_ONCE = 100;

/**
 * The same three-job chains with the same options, and processors that do nothing. Its workers have plain connections,
 * which send each command by itself: with commands sent together, as the fleet's workers do, bare chains are slower.
 */
export async function createBareSide(on: {
  redisUrl: string;
  prefix: string;
  watcher: Redis;
}): Promise<Side> {
  const prefix = `{${on.prefix}}`;
  const connections = createConnections({
    url: on.redisUrl,
    onError: (error) => {
      throw error;
    },
  });
  const flows = new FlowProducer({ connection: connections.producer, prefix });
  const lines: Redis[] = [];
  const workers = STEP_QUEUES.map((name) => {
    const connection = new Redis(on.redisUrl, { maxRetriesPerRequest: null });
    lines.push(connection);
    return startWorker(name, { connection, prefix });
  });
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const queues = watchStepQueues(on.watcher, prefix);
  return {
    prepare: () => Promise.resolve(),
    async run(count) {
      for (let from = 0; from < count; from += ADDED_AT_ONCE) {
        const some = Math.min(ADDED_AT_ONCE, count - from);
        await flows.addBulk(Array.from({ length: some }, makeFlow));
      }
      await queues.untilDone(() => Promise.resolve(true));
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
      await queues.close();
      await flows.close();
      await connections.close();
      for (const line of lines) line.disconnect();
    },
  };
}

function startWorker(name: (typeof STEP_QUEUES)[number], to: Pick<WorkerOptions, 'connection' | 'prefix'>) {
  const worker = new Worker(name, () => Promise.resolve({ kind: 'done' }), {
    ...to,
    concurrency: CATALOGUE[name].concurrency,
    lockDuration: STALLS.lockMs,
    stalledInterval: STALLS.lookMs,
    maxStalledCount: STALLS.most,
  });
  worker.on('error', (error) => {
    throw error;
  });
  return worker;
}

/** What a retire of a leased machine publishes. */
function makeFlow(): FlowJob {
  const ids = { machine: randomUUID(), intent: randomUUID(), pool: 'bench' };
  const flow = toFlow({ id: 0, kind: 'flow', ...ids, state: 'leased', intentKind: 'retire' });
  if (flow === undefined) throw new Error('a leased machine that is to be retired owes no step');
  // Nobody claims a bare job's work before it.
  delete flow.opts?.delay;
  return flow;
}
