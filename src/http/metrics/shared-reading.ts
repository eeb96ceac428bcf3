import type { Clock } from '../../fleet/ports.ts';

/**
 * One reading for all who ask within `ageMs` of its beginning, and never two at a time: however many ask, and however
 * slow the answers are, there is one under way and at most one to come. A failure is answered to whoever waits for it,
 * and nothing older in its place.
 */
export function createSharedReading<Reading>(options: {
  read: (now: Date) => Promise<Reading>;
  clock: Clock;
  ageMs: number;
}): () => Promise<Reading> {
  const { read, clock, ageMs } = options;
  let latest: { begunMs: number; reading: Promise<Reading> } | undefined;
  let next: Promise<Reading> | undefined;

  function begin(): Promise<Reading> {
    const now = clock.now();
    const reading = read(now);
    latest = { begunMs: now.getTime(), reading };
    next = undefined;
    return reading;
  }

  return () => {
    if (latest === undefined) return begin();
    const ageNowMs = clock.now().getTime() - latest.begunMs;
    // A clock that was set back tells of no age.
    if (ageNowMs >= 0 && ageNowMs < ageMs) return latest.reading;
    next ??= latest.reading.then(begin, begin);
    return next;
  };
}
