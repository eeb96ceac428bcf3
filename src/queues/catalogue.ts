import { Type, type TSchema } from 'typebox';

export const QUEUE_NAMES = ['provision', 'stop', 'release', 'delete', 'batch', 'scale', 'reconcile'] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

export interface QueueEntry {
  payload: TSchema;
  /** Tries before a job fails; what it owes stays owed, and reconcile rings it again. */
  attempts: number;
  /** Pause before the second try in milliseconds; it doubles from there. */
  backoffMs: number;
  /** How many jobs one process works at once, unless configured otherwise. */
  concurrency: number;
}

const machinePayload = Type.Object(
  { machine: Type.String(), intent: Type.String(), pool: Type.String(), ring: Type.Integer({ minimum: 0 }) },
  { additionalProperties: false },
);

const machineStep = { payload: machinePayload, attempts: 5, backoffMs: 200 };

/** Every queue: what its jobs carry (ids, never state) and how they are tried. */
export const CATALOGUE: Readonly<Record<QueueName, QueueEntry>> = {
  provision: { ...machineStep, concurrency: 100 },
  stop: { ...machineStep, concurrency: 200 },
  // Releases claim what follows them: so many go into one batch at once.
  release: { ...machineStep, concurrency: 300 },
  delete: { ...machineStep, concurrency: 100 },
  batch: {
    payload: Type.Object({ batch: Type.String() }, { additionalProperties: false }),
    attempts: 5,
    backoffMs: 500,
    concurrency: 20,
  },
  scale: {
    payload: Type.Object({ pool: Type.String() }, { additionalProperties: false }),
    attempts: 1,
    backoffMs: 500,
    concurrency: 4,
  },
  reconcile: {
    payload: Type.Object({ round: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
    attempts: 1,
    backoffMs: 500,
    concurrency: 1,
  },
};

/**
 * How long BullMQ believes in a worker that says nothing, and how often it looks for one. A claim in PostgreSQL lasts
 * no longer than this lock.
 */
export const STALLS = { lockMs: 10_000, lookMs: 5_000, most: 1_000 } as const;

/** Job ids say what they are for: a record that still exists makes BullMQ ignore a second one of its id. */
export const jobIds = {
  step: (step: string, intent: string, ring: number): string => `${step}.${intent}.${ring}`,
  batch: (batch: string, ring: number): string => `batch.${batch}.${ring}`,
};

/** The queue a job id belongs to. */
export function queueOf(job: string): QueueName | undefined {
  return QUEUE_NAMES.find((name) => job.startsWith(`${name}.`));
}
