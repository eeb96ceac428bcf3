/** Cloud time: real time multiplied by `speed`, so that a boot of 90 s takes 0.9 s at speed 100. */
export interface ScaledClock {
  /** Real milliseconds since the epoch: what the call log and every header carries. */
  realMs(): number;
  /** Milliseconds of cloud time since the clock was made: what durations and refills are counted in. */
  cloudMs(): number;
  /** Runs `action` once after this much cloud time; the timer never keeps the process alive. */
  after(cloudMs: number, action: () => void): () => void;
}

export function createScaledClock(speed: number, realNow: () => number): ScaledClock {
  const startedMs = realNow();
  return {
    realMs: realNow,
    cloudMs: () => (realNow() - startedMs) * speed,
    after(cloudMs, action) {
      const timer = setTimeout(action, cloudMs / speed);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
