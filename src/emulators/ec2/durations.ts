import type { Randomness } from '../randomness.ts';

/** How long the emulated EC2 takes, in milliseconds of cloud time. */
export interface Durations {
  /** From launch or start until running. */
  pendingMs: number;
  /** From running until the guest answers. */
  bootMs: number;
  /** A stop that lets the operating system shut down. */
  stopMs: number;
  /** A stop with Force or SkipOsShutdown. */
  fastStopMs: number;
  /** From shutting-down until terminated. */
  shutDownMs: number;
  fastShutDownMs: number;
  /** A replace-root task before it begins, and until its disk is replaced or it has failed. */
  taskPendingMs: number;
  taskMs: number;
  taskFailingMs: number;
  /** From the announcement that a spot instance is taken back until it is. */
  spotNoticeMs: number;
  /** How long a deleted instance can still be seen. */
  lingerMs: number;
  /** At most how long a new instance cannot be seen. */
  invisibleMs: number;
}

export const defaultDurations: Durations = {
  pendingMs: 5000,
  bootMs: 30_000,
  stopMs: 20_000,
  fastStopMs: 5000,
  shutDownMs: 10_000,
  fastShutDownMs: 4000,
  taskPendingMs: 2000,
  taskMs: 20_000,
  taskFailingMs: 5000,
  spotNoticeMs: 120_000,
  lingerMs: 3_600_000,
  invisibleMs: 2000,
};

/** The duration, give or take a fifth. */
export function jittered(ms: number, randomness: Randomness): number {
  return ms * (0.8 + 0.4 * randomness.next());
}
