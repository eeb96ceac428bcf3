import type { Job, Queue } from 'bullmq';
import { STEPS } from '../fleet/lifecycle.ts';
import type { Log } from '../fleet/ports.ts';
import type { QueueName } from './catalogue.ts';

export interface Tidy {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** One round; answers how many jobs left Redis. */
  tidyOnce(): Promise<number>;
}

export interface TidyOptions {
  queues: ReadonlyMap<QueueName, Queue>;
  /** Which of these intents are still open. */
  openIntents(intents: readonly string[]): Promise<ReadonlySet<string>>;
  everyMs: number;
  log: Log;
}

const LIMIT = 500;

/**
 * Takes failed and forever waiting step jobs out of Redis once their intent has closed. Not before: BullMQ takes the
 * absence of a failed child for its success, and what an open intent owes is worth looking at.
 */
export function createTidy(options: TidyOptions): Tidy {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | undefined;
  const tidyOnce = async (): Promise<number> => {
    const jobs = (await Promise.all(STEPS.map((step) => leftovers(options.queues.get(step))))).flat();
    if (jobs.length === 0) return 0;
    const open = await options.openIntents([...new Set(jobs.map(intentOf))]);
    const closed = jobs.filter((job) => !open.has(intentOf(job)));
    // A parent that runs because its last child went finds its step done.
    for (const job of closed) await job.remove().catch(() => undefined);
    return closed.length;
  };
  const round = (): void => {
    running ??= tidyOnce()
      .catch((err: unknown) => options.log.warn({ err }, 'could not tidy finished jobs; trying again later'))
      .finally(() => (running = undefined));
  };
  return {
    tidyOnce,
    async start() {
      timer ??= setInterval(round, options.everyMs);
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
  };
}

async function leftovers(queue: Queue | undefined): Promise<Job[]> {
  if (queue === undefined) return [];
  const jobs: (Job | undefined)[] = await queue.getJobs(['failed', 'waiting-children'], 0, LIMIT - 1, true);
  return jobs.filter((job): job is Job => job?.data !== undefined);
}

function intentOf(job: Job): string {
  const data: unknown = job.data;
  return typeof data === 'object' && data !== null && 'intent' in data ? String(data.intent) : '';
}
