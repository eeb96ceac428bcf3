import type { Randomness } from '../randomness.ts';
import type { Durations } from './arm-options.ts';

/** Draws how long one act takes, in cloud milliseconds. */
export type Pace = (act: keyof Durations) => number;

export function createPace(durationsMs: Durations, randomness: Randomness): Pace {
  return (act) => durationsMs[act] * (0.6 + randomness.next() * 0.6);
}
