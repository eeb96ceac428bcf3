import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';

/** The three queues that a chain's jobs pass through, in their order. */
export const STEP_QUEUES = ['stop', 'release', 'delete'] as const;
/** What a fleet works on besides. */
const OTHER_QUEUES = ['provision', 'batch', 'scale'] as const;

/** How exactly the end of a round is seen. */
const LOOK_EVERY_MS = 10;
const GIVE_UP_MS = 120_000;

export interface StepQueues {
  /** Resolves once no step waits, runs or is delayed and `isDone` agrees; throws where a job failed or time ran out. */
  untilDone(isDone: () => Promise<boolean>): Promise<void>;
  /** Resolves once no queue has anything to do. */
  untilQuiet(): Promise<void>;
  close(): Promise<void>;
}

/** Watches the queues under one prefix through a connection that does nothing else. */
export function watchStepQueues(watcher: Redis, prefix: string): StepQueues {
  const open = (name: string): Queue => new Queue(name, { connection: watcher, prefix });
  const steps = STEP_QUEUES.map(open);
  const all = [...steps, ...OTHER_QUEUES.map(open)];
  return {
    untilDone: (isDone) => untilIdle(steps, isDone),
    untilQuiet: () => untilIdle(all, () => Promise.resolve(true)),
    async close() {
      await Promise.all(all.map((queue) => queue.close()));
    },
  };
}

async function untilIdle(queues: readonly Queue[], isDone: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + GIVE_UP_MS;
  while (performance.now() < deadlineMs) {
    if ((await countUnfinished(queues)) === 0 && (await isDone())) return;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`a round of chains did not end within ${GIVE_UP_MS / 1000} s`);
}

async function countUnfinished(queues: readonly Queue[]): Promise<number> {
  const counts = await Promise.all(
    queues.map((queue) => queue.getJobCounts('wait', 'active', 'delayed', 'waiting-children', 'failed')),
  );
  const failed = counts.reduce((sum, each) => sum + (each['failed'] ?? 0), 0);
  if (failed > 0) throw new Error(`${failed} jobs of a round failed: nothing was measured`);
  return counts.reduce((sum, each) => sum + Object.values(each).reduce((a, b) => a + b, 0), 0);
}
