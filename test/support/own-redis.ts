import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { findFreePort, LOOPBACK } from '../../src/embedded/free-port.ts';
import { findPlaces, placeHints } from '../../src/embedded/places.ts';
import { findRedis, type RedisProgram } from '../../src/embedded/redis-program.ts';
import { startServerProcess } from '../../src/embedded/server-process.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';

export interface OwnRedisOptions {
  /** Where its configuration and its log go. */
  dir: string;
  /** What its files are called; needed where one folder has several. */
  name?: string;
  port?: number;
  /** Lines of its configuration beyond address and port. */
  settings?: readonly string[];
  /** Watches others instead of keeping anything. */
  isSentinel?: boolean;
}

/** A Redis of one test file alone, for what would disturb everybody else's. */
export interface OwnRedis {
  port: number;
  /** `HOST:PORT`. */
  address: string;
  url: string;
  pid: number;
  /** Ends it without a word, as a dead host would. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;
/** A node of a cluster talks to the others at its port and this. */
const BUS_PORT_OFFSET = 10_000;
const HIGHEST_PORT = 65_535;

/** Starts one; resolves once it takes connections. */
export async function startOwnRedis(options: OwnRedisOptions): Promise<OwnRedis> {
  const { dir, name = 'redis', settings = [], isSentinel = false } = options;
  const port = options.port ?? (await findRedisPort());
  const program = await findProgram();
  const [config, logPath] = [join(dir, `${name}.conf`), join(dir, `${name}.log`)];
  await writeFile(config, [...lines({ port, dir, isSentinel }), ...settings, ''].join('\n'), { mode: 0o600 });
  const server = await startServerProcess({
    words: [program.file, config, ...(isSentinel ? ['--sentinel'] : [])],
    env: { PATH: DEFAULT_SEARCH_PATH, ...program.env },
    ...{ cwd: dir, logPath, searchPath: DEFAULT_SEARCH_PATH },
    ...{ dieWith: 'KILL', stopWith: 'SIGTERM', thenWith: 'SIGKILL' },
  });
  const isReady = await waitUntil({ deadlineMs: READY_WITHIN_MS }, async () => {
    if (server.hasExited()) return false;
    return /Ready to accept connections|Sentinel ID is/.test(await readFile(logPath, 'utf8')) || undefined;
  });
  if (isReady !== true) {
    const said = (await server.lastWords()).join('\n');
    await server.stop();
    throw new Error(`a Redis of our own did not start: ${said}`);
  }
  const address = `${LOOPBACK}:${port}`;
  return {
    ...{ port, address, url: `redis://${address}`, pid: server.pid },
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    stop: server.stop,
  };
}

/** A free port whose bus port there can be, too. */
export async function findRedisPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = await findFreePort();
    if (port + BUS_PORT_OFFSET <= HIGHEST_PORT) return port;
  }
  throw new Error('no free port is low enough for a node of a cluster');
}

/** The system's own, or the one that was fetched for the embedded run. */
async function findProgram(): Promise<RedisProgram> {
  const { cacheDir } = await findPlaces(placeHints(process.env, process.cwd()));
  const told = { onProgress: () => undefined, signal: undefined };
  return findRedis({ cacheDir, searchPath: DEFAULT_SEARCH_PATH, ...told });
}

function lines(on: { port: number; dir: string; isSentinel: boolean }): string[] {
  const common = [
    `bind ${LOOPBACK}`,
    `port ${on.port}`,
    `dir ${on.dir}`,
    'daemonize no',
    'protected-mode no',
  ];
  if (on.isSentinel) return common;
  return [...common, 'save ""', 'appendonly no', 'loglevel notice'];
}
