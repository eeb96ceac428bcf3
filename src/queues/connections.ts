import { Redis } from 'ioredis';

export interface Connections {
  /** For adding and looking: commands fail after a while when Redis is away. */
  producer: Redis;
  /** For BullMQ's workers, which block and must never give up. */
  worker(): Redis;
  close(): Promise<void>;
}

/** Producers and workers connect differently; all of a process's connections close together. */
export function createConnections(options: { url: string; onError(error: unknown): void }): Connections {
  const opened = new Set<Redis>();
  const open = (redis: Redis): Redis => {
    redis.on('error', options.onError);
    opened.add(redis);
    return redis;
  };
  const producer = open(
    new Redis(options.url, {
      maxRetriesPerRequest: 3,
      enableAutoPipelining: true,
      connectTimeout: 10_000,
      commandTimeout: 10_000,
      retryStrategy,
    }),
  );
  return {
    producer,
    worker: () =>
      open(new Redis(options.url, { maxRetriesPerRequest: null, connectTimeout: 10_000, retryStrategy })),
    async close() {
      for (const redis of opened) redis.disconnect();
      opened.clear();
    },
  };
}

function retryStrategy(tries: number): number {
  return Math.min(2000, 50 * 2 ** Math.min(tries, 6));
}
