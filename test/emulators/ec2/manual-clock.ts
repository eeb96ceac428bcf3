import type { ScaledClock } from '../../../src/emulators/scaled-clock.ts';

export interface ManualClock extends ScaledClock {
  /** Moves the time on and runs everything that becomes due, in order. */
  advance(ms: number): void;
}

/** A clock whose time stands still until it is moved; cloud time and real time are the same. */
export function createManualClock(): ManualClock {
  const startedMs = 1_800_000_000_000;
  let nowMs = 0;
  let timers: { dueMs: number; action: () => void }[] = [];
  const runNext = (untilMs: number): boolean => {
    const due = timers.filter(({ dueMs }) => dueMs <= untilMs).toSorted((a, b) => a.dueMs - b.dueMs)[0];
    if (due === undefined) return false;
    timers = timers.filter((timer) => timer !== due);
    nowMs = due.dueMs;
    due.action();
    return true;
  };
  return {
    realMs: () => startedMs + nowMs,
    cloudMs: () => nowMs,
    after(cloudMs, action) {
      const timer = { dueMs: nowMs + cloudMs, action };
      timers.push(timer);
      return () => void (timers = timers.filter((each) => each !== timer));
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let ran = 0; ran < 100_000 && runNext(untilMs); ran += 1);
      nowMs = untilMs;
    },
  };
}
