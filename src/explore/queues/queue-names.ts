export const QUEUES = ['provision', 'stop', 'release', 'delete', 'batch', 'scale', 'reconcile'] as const;
export type QueueName = (typeof QUEUES)[number];

/** Tries before a job fails; what it owes stays owed. */
export const ATTEMPTS: Readonly<Record<QueueName, number>> = {
  provision: 5,
  stop: 5,
  release: 5,
  delete: 5,
  batch: 5,
  scale: 1,
  reconcile: 1,
};

/** How many jobs of a queue one process works at once: few, so that jobs wait for each other. */
export const CONCURRENCY: Readonly<Record<QueueName, number>> = {
  provision: 3,
  stop: 2,
  release: 2,
  delete: 3,
  batch: 3,
  scale: 1,
  reconcile: 1,
};

/** The queue a job id belongs to. */
export function queueOf(job: string): QueueName | undefined {
  return QUEUES.find((name) => job.startsWith(`${name}.`));
}
