import type { Pool } from './pool.ts';
import type { Clock } from './ports.ts';
import type { PoolActs } from './store.ts';

/** Pools as they were at most `ageMs` ago: their rules change seldom and are asked for by every job. */
export function createPoolCache(options: {
  store: Pick<PoolActs, 'pool'>;
  clock: Clock;
  ageMs: number;
}): (name: string) => Promise<Pool | undefined> {
  const known = new Map<string, { until: number; pool: Promise<Pool | undefined> }>();
  return (name) => {
    const nowMs = options.clock.now().getTime();
    const held = known.get(name);
    if (held !== undefined && held.until > nowMs) return held.pool;
    const pool = options.store.pool(name);
    known.set(name, { until: nowMs + options.ageMs, pool });
    pool.catch(() => known.delete(name));
    return pool;
  };
}
