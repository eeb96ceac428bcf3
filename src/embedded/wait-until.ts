import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds on a clock that never goes back. */
export type ClockMs = () => number;

export const monotonicMs: ClockMs = () => performance.now();

export interface Wait {
  deadlineMs: number;
  everyMs?: number;
  clock?: ClockMs;
  signal?: AbortSignal | undefined;
}

/**
 * Asks again and again until the probe answers something other than undefined.
 * Resolves to undefined where the deadline passes first; rejects where the probe or the signal does.
 */
export async function waitUntil<T>(wait: Wait, probe: () => Promise<T | undefined>): Promise<T | undefined> {
  const clock = wait.clock ?? monotonicMs;
  const endsAt = clock() + wait.deadlineMs;
  for (;;) {
    wait.signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (clock() >= endsAt) return undefined;
    await sleep(wait.everyMs ?? 25);
  }
}
