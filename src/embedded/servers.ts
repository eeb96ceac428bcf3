import { join } from 'node:path';
import type { Places } from './places.ts';
import { startPostgres, type EmbeddedServer } from './postgres.ts';
import { startRedis } from './redis.ts';
import { openRunFolder, type RunFolder } from './run-folder.ts';
import type { ClockMs } from './wait-until.ts';

export interface ServersOptions {
  /** Servers of one's own; what is given is used and not started. */
  databaseUrl?: string | undefined;
  redisUrl?: string | undefined;
  places: Places;
  /** True: this checkout's kept data, for one process at a time. False: a throw-away run of its own. */
  persistent: boolean;
  onProgress: (line: string) => void;
  searchPath?: string;
  clock?: ClockMs;
  /** Ends a start that is under way; what it has started is stopped again. */
  signal?: AbortSignal;
}

export interface Servers {
  /** With passwords: not to be shown. */
  databaseUrl: string;
  redisUrl: string;
  /** May be called twice. */
  stop(): Promise<void>;
}

/**
 * Answers with a PostgreSQL and a Redis: the given ones, else embedded ones, started side by side.
 * Rejects with a SetupError that says what to do, and leaves nothing running then.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { databaseUrl, redisUrl, places, persistent } = options;
  if (databaseUrl !== undefined && redisUrl !== undefined) {
    return { databaseUrl, redisUrl, stop: async () => undefined };
  }
  const folder = await openRunFolder(places, { persistent });
  // The first failure ends the other's start too, and is the one that is told.
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...(options.signal ? [options.signal] : [])]);
  const endOther = (error: unknown): undefined => {
    failure.abort(error);
    return undefined;
  };
  const [postgres, redis] = await Promise.all([
    databaseUrl === undefined
      ? startPostgresIn(folder, { ...options, signal }).catch(endOther)
      : given(databaseUrl),
    redisUrl === undefined ? startRedisIn(folder, { ...options, signal }).catch(endOther) : given(redisUrl),
  ]);
  const stop = once(() => stopAll([redis, postgres], folder));
  if (postgres !== undefined && redis !== undefined) {
    return { databaseUrl: postgres.url, redisUrl: redis.url, stop };
  }
  await stop();
  throw failure.signal.reason;
}

/** What a given server and an embedded one have in common. */
type Server = Pick<EmbeddedServer, 'url' | 'stop'>;

function given(url: string): Server {
  return { url, stop: async () => undefined };
}

function startPostgresIn(folder: RunFolder, options: ServersOptions): Promise<EmbeddedServer> {
  return startPostgres({
    ...shared(options),
    dir: join(folder.dir, 'postgres'),
    binariesDir: options.places.binariesDir,
  });
}

function startRedisIn(folder: RunFolder, options: ServersOptions): Promise<EmbeddedServer> {
  return startRedis({
    ...shared(options),
    dir: join(folder.dir, 'redis'),
    cacheDir: options.places.cacheDir,
  });
}

function shared({ onProgress, searchPath, clock, signal }: ServersOptions) {
  return { onProgress, signal, ...(searchPath !== undefined && { searchPath }), ...(clock && { clock }) };
}

/** Whatever fails to stop, the others are stopped too, and the folder is given back last. */
async function stopAll(servers: readonly (Server | undefined)[], folder: RunFolder): Promise<void> {
  const stops = await Promise.allSettled(servers.map(async (server) => server?.stop()));
  await folder.close();
  for (const result of stops) if (result.status === 'rejected') throw result.reason;
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= act());
}
