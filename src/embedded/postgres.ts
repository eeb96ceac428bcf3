import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { DEFAULT_SEARCH_PATH } from './find-program.ts';
import { findFreePort, LOOPBACK } from './free-port.ts';
import { makeFolder } from './places.ts';
import { unpackPostgres } from './postgres-binaries.ts';
import { endOrphan, prepareData, SUPERUSER, type PostgresHome } from './postgres-data.ts';
import { assertReachable, findServerUser } from './run-as.ts';
import { startServerProcess, type ServerProcess } from './server-process.ts';
import { SetupError, systemCode } from './setup-error.ts';
import { monotonicMs, waitUntil, type ClockMs } from './wait-until.ts';

export interface PostgresOptions {
  /** A folder of its own; what is in it is kept from start to start. */
  dir: string;
  /** Where PostgreSQL is unpacked to, shared by all. */
  binariesDir: string;
  onProgress: (line: string) => void;
  /** A fixed port of the loopback address; a free one otherwise. */
  port?: number;
  /** True where the data is worth nothing without its server: no write waits for a disk, nothing tidies up meanwhile. */
  isThrowAway?: boolean;
  searchPath?: string;
  clock?: ClockMs;
  signal?: AbortSignal | undefined;
}

export interface EmbeddedServer {
  /** With its password: not to be shown. */
  url: string;
  /** Of the process that holds the port; its helpers go with it. */
  pid: number;
  stop(): Promise<void>;
}

const DATABASE = 'drover';
const READY_WITHIN_MS = 60_000;
const MOST_ATTEMPTS = 5;
const TRY_AGAIN_AFTER_MS = 300;
const WRONG_PASSWORD = '28P01';
const PORT_TAKEN = /Address already in use/;
/** What a server says while one before it has not quite gone. */
const STILL_GOING = /lock file "postmaster\.pid"|pre-existing shared memory/;

/**
 * Starts PostgreSQL 18 on the loopback address; resolves once it answers a query.
 * Rejects with a SetupError that says what to do, and leaves nothing running then.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedServer> {
  const home = await makeHome(options);
  options.onProgress('starting PostgreSQL');
  const { data, password } = await prepareData(home);
  await endOrphan(data, home.clock);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await findFreePort());
    const server = await launch(home, { data, port, isThrowAway: options.isThrowAway === true });
    try {
      await waitUntilReady(home, server, { port, password });
      return { url: urlOf({ port, password }, DATABASE), pid: server.pid, stop: () => server.stop() };
    } catch (error) {
      await server.stop();
      if (
        attempt === MOST_ATTEMPTS ||
        !(await isWorthRepeating(error, { home, data, isFixed: options.port !== undefined }))
      )
        throw explain(error, options);
    }
  }
}

async function makeHome(options: PostgresOptions): Promise<PostgresHome> {
  const user = await findServerUser();
  await makeFolder(options.dir);
  const binaries = await unpackPostgres(options.binariesDir);
  await assertReachable(options.dir, user);
  await assertReachable(binaries, user);
  return {
    dir: options.dir,
    binaries,
    user,
    searchPath: options.searchPath ?? DEFAULT_SEARCH_PATH,
    clock: options.clock ?? monotonicMs,
    signal: options.signal,
  };
}

const THROW_AWAY = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
};

interface Launch {
  data: string;
  port: number;
  isThrowAway: boolean;
}

function launch(home: PostgresHome, { data, port, isThrowAway }: Launch): Promise<ServerProcess> {
  const settings = {
    listen_addresses: LOOPBACK,
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '128MB',
    fsync: 'on',
    track_commit_timestamp: 'on',
    huge_pages: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    ...(isThrowAway ? THROW_AWAY : {}),
  };
  return startServerProcess({
    words: [
      join(home.binaries, 'bin', 'postgres'),
      '-D',
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    // A fast shutdown: clients are cut off, the data is closed in order.
    dieWith: 'INT',
    stopWith: 'SIGINT',
    thenWith: 'SIGQUIT',
    user: home.user,
    searchPath: home.searchPath,
    cwd: home.dir,
    env: { LC_ALL: 'C', PATH: home.searchPath },
    logPath: join(home.dir, 'postgres.log'),
  });
}

interface Access {
  port: number;
  password: string;
}

function urlOf({ port, password }: Access, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@${LOOPBACK}:${port}/${database}`;
}

/** A TCP connection is no sign of readiness, a query's answer is. */
async function waitUntilReady(home: PostgresHome, server: ServerProcess, access: Access): Promise<void> {
  const wait = { deadlineMs: READY_WITHIN_MS, clock: home.clock, signal: home.signal };
  let lastError: unknown;
  const ready = await waitUntil(wait, async () => {
    if (server.hasExited()) throw new ServerFailure('ended at once', await server.lastWords());
    const made = makeDatabase(access).catch((error: unknown) => {
      if (systemCode(error) === WRONG_PASSWORD) throw error;
      lastError = error;
      return undefined;
    });
    // Whoever else has the port may keep us waiting for an answer.
    return Promise.race([made, server.exited.then(() => undefined)]);
  });
  if (ready !== undefined) return;
  throw new ServerFailure(
    `did not answer within ${READY_WITHIN_MS / 1_000} s`,
    await server.lastWords(),
    lastError,
  );
}

async function makeDatabase(access: Access): Promise<true> {
  const client = new Client({ connectionString: urlOf(access, 'postgres'), connectionTimeoutMillis: 5_000 });
  // A server that goes down breaks the connection twice: in the query, and as an event.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
    return true;
  } finally {
    await client.end();
  }
}

/** What one attempt came to; only `startPostgres` knows whether there is another. */
class ServerFailure extends Error {
  readonly log: readonly string[];

  constructor(message: string, log: readonly string[], cause?: unknown) {
    super(message, { cause });
    this.log = log;
  }
}

interface Circumstances {
  home: PostgresHome;
  data: string;
  isFixed: boolean;
}

async function isWorthRepeating(error: unknown, at: Circumstances): Promise<boolean> {
  if (!(error instanceof ServerFailure)) return false;
  const said = error.log.join('\n');
  if (PORT_TAKEN.test(said)) return !at.isFixed;
  if (!STILL_GOING.test(said)) return false;
  await endOrphan(at.data, at.home.clock);
  await sleep(TRY_AGAIN_AFTER_MS);
  return true;
}

function explain(error: unknown, options: PostgresOptions): unknown {
  if (!(error instanceof ServerFailure)) return error;
  if (PORT_TAKEN.test(error.log.join('\n'))) {
    const line = `port ${options.port} of ${LOOPBACK} is taken, PostgreSQL cannot listen there: free it or name another`;
    return new SetupError(line, { cause: error });
  }
  const line = `PostgreSQL ${error.message} (its data is in ${options.dir}): mend what it says, or set DATABASE_URL`;
  return new SetupError(line, { cause: error, log: error.log });
}
