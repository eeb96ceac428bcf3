/** A token bucket in cloud time, as both vendors publish theirs. */
export interface TokenBucket {
  /** Takes `count` tokens, or none. */
  take(count: number): boolean;
  remaining(): number;
  /** Cloud milliseconds until `count` tokens are there. */
  waitMs(count: number): number;
}

export function createTokenBucket(
  size: { max: number; refillPerSecond: number },
  cloudMs: () => number,
): TokenBucket {
  let level = size.max;
  let lastMs = cloudMs();
  const refill = (): void => {
    const nowMs = cloudMs();
    level = Math.min(size.max, level + ((nowMs - lastMs) / 1000) * size.refillPerSecond);
    lastMs = nowMs;
  };
  return {
    take(count) {
      refill();
      if (level < count) return false;
      level -= count;
      return true;
    },
    remaining() {
      refill();
      return Math.floor(level);
    },
    waitMs(count) {
      refill();
      return Math.max(0, ((count - level) / size.refillPerSecond) * 1000);
    },
  };
}
