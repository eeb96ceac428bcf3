import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';

/** The three queues that a chain's jobs pass through, in their order. */
export const STEP_QUEUES = ['stop', 'release', 'delete'] as const;

/** How exactly the end of a round is seen. */
const LOOK_EVERY_MS = 10;
const GIVE_UP_MS = 120_000;

export interface StepQueues {
  /** Resolves once no job waits, runs or is delayed and `isDone` agrees; throws where a job failed or time ran out. */
  untilDone(isDone: () => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

/** Watches the queues under one prefix through a connection that does nothing else. */
export function watchStepQueues(watcher: Redis, prefix: string): StepQueues {
  const queues = STEP_QUEUES.map((name) => new Queue(name, { connection: watcher, prefix }));
  return {
    async untilDone(isDone) {
      const deadlineMs = performance.now() + GIVE_UP_MS;
      while (performance.now() < deadlineMs) {
        if ((await countUnfinished(queues)) === 0 && (await isDone())) return;
        await sleep(LOOK_EVERY_MS);
      }
      throw new Error(`a round of chains did not end within ${GIVE_UP_MS / 1000} s`);
    },
    async close() {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

async function countUnfinished(queues: readonly Queue[]): Promise<number> {
  const counts = await Promise.all(
    queues.map((queue) => queue.getJobCounts('wait', 'active', 'delayed', 'waiting-children', 'failed')),
  );
  const failed = counts.reduce((sum, each) => sum + (each['failed'] ?? 0), 0);
  if (failed > 0) throw new Error(`${failed} jobs of a round failed: nothing was measured`);
  return counts.reduce((sum, each) => sum + Object.values(each).reduce((a, b) => a + b, 0), 0);
}
