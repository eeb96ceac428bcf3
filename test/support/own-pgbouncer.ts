import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentIn, fetchWithApt } from '../../src/embedded/apt-fetch.ts';
import { fillFolder } from '../../src/embedded/fill-folder.ts';
import { DEFAULT_SEARCH_PATH, findProgram } from '../../src/embedded/find-program.ts';
import { findFreePort, LOOPBACK } from '../../src/embedded/free-port.ts';
import { findPlaces, placeHints } from '../../src/embedded/places.ts';
import { findServerUser } from '../../src/embedded/run-as.ts';
import { startServerProcess } from '../../src/embedded/server-process.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';

export interface OwnPgbouncerOptions {
  /** The PostgreSQL behind it. */
  databaseUrl: string;
  /** Server connections that all its clients share. */
  size: number;
}

/** A pooler of one test file alone, in transaction mode, set up as its own manual begins: nothing is let pass. */
export interface OwnPgbouncer {
  /** The database behind it, by its address. */
  url: string;
  /** Cuts off everybody at once; it can be started again at the same address. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;

/** Starts one; resolves once it takes connections. */
export async function startOwnPgbouncer(options: OwnPgbouncerOptions): Promise<OwnPgbouncer> {
  const program = await findPgbouncer();
  const port = await findFreePort();
  const dir = await mkdtemp(join(tmpdir(), 'drover-pgbouncer-'));
  const config = await configure(options, { dir, port });
  const logPath = join(dir, 'pgbouncer.log');
  const user = await findServerUser();
  const launch = async () => {
    const server = await startServerProcess({
      words: [program.file, config],
      env: { PATH: DEFAULT_SEARCH_PATH, ...program.env },
      ...{ cwd: dir, logPath, searchPath: DEFAULT_SEARCH_PATH, user },
      ...{ dieWith: 'KILL', stopWith: 'SIGTERM', thenWith: 'SIGKILL' },
    });
    const isReady = await waitUntil({ deadlineMs: READY_WITHIN_MS }, async () => {
      if (server.hasExited()) return false;
      return (await readFile(logPath, 'utf8')).includes('process up') || undefined;
    });
    if (isReady === true) return server;
    const said = (await server.lastWords()).join('\n');
    await server.stop();
    throw new Error(`a pgbouncer of our own did not start: ${said}`);
  };
  let server = await launch();
  const url = new URL(options.databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async start() {
      server = await launch();
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function configure(
  { databaseUrl, size }: OwnPgbouncerOptions,
  { dir, port }: { dir: string; port: number },
): Promise<string> {
  const { hostname, port: behind, username, password } = new URL(databaseUrl);
  const [config, users] = [join(dir, 'pgbouncer.ini'), join(dir, 'users.txt')];
  const lines = [
    ...['[databases]', `* = host=${hostname} port=${behind}`],
    ...['[pgbouncer]', `listen_addr = ${LOOPBACK}`, `listen_port = ${port}`, 'unix_socket_dir ='],
    ...['pool_mode = transaction', `default_pool_size = ${size}`, 'max_client_conn = 500'],
    ...['auth_type = scram-sha-256', `auth_file = ${users}`, 'server_login_retry = 1'],
  ];
  await writeFile(config, lines.join('\n'), { mode: 0o600 });
  await writeFile(users, `"${username}" "${password}"\n`, { mode: 0o600 });
  const user = await findServerUser();
  if (user !== undefined) for (const file of [dir, config, users]) await chown(file, user.uid, user.gid);
  return config;
}

/** The system's own, or one that is fetched into the cache where the embedded Redis is, too. */
async function findPgbouncer(): Promise<{ file: string; env: Record<string, string> }> {
  const installed = await findProgram('pgbouncer', DEFAULT_SEARCH_PATH);
  if (installed !== undefined) return { file: installed, env: {} };
  const { cacheDir } = await findPlaces(placeHints(process.env, process.cwd()));
  const folder = join(cacheDir, `pgbouncer-${process.arch}`);
  const file = join(folder, 'usr/sbin/pgbouncer');
  if ((await findProgram('pgbouncer', join(folder, 'usr/sbin'))) === undefined) {
    await rm(folder, { recursive: true, force: true });
    await fillFolder(folder, (into) =>
      fetchWithApt({
        ...{ title: 'pgbouncer', packageName: 'pgbouncer', remedy: 'install pgbouncer' },
        ...{ into, searchPath: DEFAULT_SEARCH_PATH, onProgress: () => undefined, signal: undefined },
      }),
    );
  }
  return { file, env: environmentIn(folder) };
}
