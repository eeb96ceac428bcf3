import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Places } from '../../embedded/places.ts';
import { startPostgres, type EmbeddedServer } from '../../embedded/postgres.ts';
import { startRedis } from '../../embedded/redis.ts';
import type { Outages } from './outages.ts';

export interface ChaosServers {
  databaseUrl: string;
  redisUrl: string;
  /** Immediate shutdown, as after a crash of its host; resolves once it has recovered. */
  killPostgres(): Promise<void>;
  /** Stops in order and stays away. */
  stopPostgresFor(ms: number): Promise<void>;
  /** SIGKILL; what it held is gone. */
  killRedis(): Promise<void>;
  pauseRedisFor(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface ChaosServersOptions {
  dir: string;
  places: Places;
  searchPath: string;
  ports: { postgres: number; redis: number };
  outages: Outages;
  onProgress(line: string): void;
  signal: AbortSignal;
}

/** Starts PostgreSQL and Redis at ports that they keep from restart to restart. */
export async function startChaosServers(options: ChaosServersOptions): Promise<ChaosServers> {
  const starts = createStarts(options);
  // Side by side; where one of them fails, the other is not left running.
  const [postgres, redis] = await Promise.allSettled([starts.postgres(), starts.redis()]);
  if (postgres.status === 'rejected') {
    if (redis.status === 'fulfilled') await redis.value.stop();
    throw postgres.reason;
  }
  if (redis.status === 'rejected') {
    await postgres.value.stop();
    throw redis.reason;
  }
  const running: RunningServers = { postgres: postgres.value, redis: redis.value };
  return {
    databaseUrl: running.postgres.url,
    redisUrl: running.redis.url,
    ...postgresBlows(options, running, starts.postgres),
    ...redisBlows(options, running, starts.redis),
    async stop() {
      await Promise.all([running.postgres.stop(), running.redis.stop()]);
    },
  };
}

/** The latest process of each. */
interface RunningServers {
  postgres: EmbeddedServer;
  redis: EmbeddedServer;
}

type Start = () => Promise<EmbeddedServer>;

function postgresBlows(
  { outages, signal }: ChaosServersOptions,
  running: RunningServers,
  start: Start,
): Pick<ChaosServers, 'killPostgres' | 'stopPostgresFor'> {
  const restart = async (): Promise<void> => {
    signal.throwIfAborted();
    running.postgres = await start();
  };
  return {
    async killPostgres() {
      const back = outages.begin('postgres');
      process.kill(running.postgres.pid, 'SIGQUIT');
      await running.postgres.stop();
      await restart();
      back();
    },
    async stopPostgresFor(ms) {
      const back = outages.begin('postgres');
      await running.postgres.stop();
      await sleep(ms, undefined, { signal });
      await restart();
      back();
    },
  };
}

function redisBlows(
  { outages, signal }: ChaosServersOptions,
  running: RunningServers,
  start: Start,
): Pick<ChaosServers, 'killRedis' | 'pauseRedisFor'> {
  return {
    async killRedis() {
      const back = outages.begin('redis');
      process.kill(running.redis.pid, 'SIGKILL');
      await running.redis.stop();
      signal.throwIfAborted();
      running.redis = await start();
      back();
    },
    async pauseRedisFor(ms) {
      const { pid } = running.redis;
      const back = outages.begin('redis');
      process.kill(pid, 'SIGSTOP');
      // A server that stays paused would not stop in order.
      await sleep(ms, undefined, { signal }).finally(() => process.kill(pid, 'SIGCONT'));
      back();
    },
  };
}

function createStarts(options: ChaosServersOptions) {
  const { dir, places, ports, searchPath, onProgress, signal } = options;
  const password = randomBytes(24).toString('base64url');
  const shared = { searchPath, onProgress, signal };
  return {
    postgres: () =>
      startPostgres({
        ...shared,
        dir: join(dir, 'postgres'),
        binariesDir: places.binariesDir,
        port: ports.postgres,
      }),
    redis: () =>
      startRedis({
        ...shared,
        ...{ dir: join(dir, 'redis'), cacheDir: places.cacheDir },
        ...{ port: ports.redis, password },
      }),
  };
}
