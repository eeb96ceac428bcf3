import type { Measured } from './report.ts';

/** Servers of a benchmark's own: a migrated database without rows, and a Redis with a prefix nobody else uses. */
export interface BenchServers {
  databaseUrl: string;
  redisUrl: string;
  prefix: string;
}

export interface BenchOptions {
  /** How often both sides run, one right after the other. */
  pairs: number;
  /** How much one round does: in chains, leases or whatever the benchmark counts. */
  size: number;
  /** Tells people how it goes. */
  say(line: string): void;
}

export type Benchmark = (servers: BenchServers, options: BenchOptions) => Promise<Measured>;
