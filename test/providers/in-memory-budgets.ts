import type { Bucket, Budgets } from '../../src/fleet/provider.ts';

/** Token buckets of one process, in the time that `nowMs` tells. */
export function createInMemoryBudgets(nowMs: () => number): Budgets {
  const buckets = new Map<string, { level: number; atMs: number; shutUntilMs: number }>();
  const at = (bucket: Bucket): { level: number; atMs: number; shutUntilMs: number } => {
    const known = buckets.get(bucket.key) ?? { level: bucket.max, atMs: nowMs(), shutUntilMs: 0 };
    const grown = known.level + ((nowMs() - known.atMs) / 1000) * bucket.refillPerSecond;
    const state = { ...known, level: Math.min(bucket.max, grown), atMs: nowMs() };
    buckets.set(bucket.key, state);
    return state;
  };
  return {
    take(bucket, count) {
      const state = at(bucket);
      if (state.shutUntilMs > nowMs()) return Promise.resolve(state.shutUntilMs - nowMs());
      if (state.level < count) {
        return Promise.resolve(Math.ceil(((count - state.level) / bucket.refillPerSecond) * 1000));
      }
      state.level -= count;
      return Promise.resolve(0);
    },
    throttled(bucket, retryAfterMs) {
      at(bucket).shutUntilMs = nowMs() + retryAfterMs;
      return Promise.resolve();
    },
  };
}
