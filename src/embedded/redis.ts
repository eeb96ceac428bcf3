import { randomBytes } from 'node:crypto';
import { chown } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DEFAULT_SEARCH_PATH } from './find-program.ts';
import { findFreePort, LOOPBACK } from './free-port.ts';
import { makeFolder } from './places.ts';
import type { EmbeddedServer } from './postgres.ts';
import { findRedis, type RedisProgram } from './redis-program.ts';
import { assertReachable, findServerUser, type ServerUser } from './run-as.ts';
import { startServerProcess, type ServerProcess } from './server-process.ts';
import { SetupError } from './setup-error.ts';
import { monotonicMs, waitUntil, type ClockMs } from './wait-until.ts';

export interface RedisOptions {
  /** A folder of its own, for its log; no data is kept in it. */
  dir: string;
  /** Where a fetched Redis is kept, shared by all. */
  cacheDir: string;
  onProgress: (line: string) => void;
  /** A fixed port of the loopback address; a free one otherwise. */
  port?: number;
  /** That of a server before it, which its clients know; a new one otherwise. */
  password?: string;
  searchPath?: string;
  clock?: ClockMs;
  signal?: AbortSignal | undefined;
}

const READY_WITHIN_MS = 20_000;
const MOST_ATTEMPTS = 5;
const PORT_TAKEN = /Address already in use/;

/**
 * Starts Redis on the loopback address, without persistence; resolves once it answers.
 * Rejects with a SetupError that says what to do, and leaves nothing running then.
 */
export async function startRedis(options: RedisOptions): Promise<EmbeddedServer> {
  const searchPath = options.searchPath ?? DEFAULT_SEARCH_PATH;
  const { cacheDir, onProgress, signal } = options;
  await makeFolder(options.dir);
  const user = await findServerUser();
  const program = await findRedis({ cacheDir, searchPath, onProgress, signal });
  await assertReachable(options.dir, user);
  if (user !== undefined) await chown(options.dir, user.uid, user.gid);
  onProgress('starting Redis');
  for (let attempt = 1; ; attempt += 1) {
    const access = await chooseAccess(options);
    const server = await launch({ program, user, searchPath, dir: options.dir }, access);
    try {
      await waitUntilReady(options, server, access);
      const url = `redis://:${access.password}@${LOOPBACK}:${access.port}`;
      return { url, pid: server.pid, stop: () => server.stop() };
    } catch (error) {
      const said = (await server.lastWords()).join('\n');
      await server.stop();
      const isRepeated = PORT_TAKEN.test(said) && options.port === undefined && attempt < MOST_ATTEMPTS;
      if (!isRepeated) throw PORT_TAKEN.test(said) ? portTaken(access.port, error) : error;
    }
  }
}

interface Access {
  port: number;
  password: string;
}

async function chooseAccess({ port, password }: RedisOptions): Promise<Access> {
  return {
    port: port ?? (await findFreePort()),
    password: password ?? randomBytes(24).toString('base64url'),
  };
}

interface RedisHome {
  program: RedisProgram;
  user: ServerUser | undefined;
  searchPath: string;
  dir: string;
}

function launch({ program, user, searchPath, dir }: RedisHome, access: Access): Promise<ServerProcess> {
  return startServerProcess({
    words: [program.file, '-'],
    input: settingsFor(access),
    // There is no data to be closed in order, and a paused server would not hear of a milder end.
    dieWith: 'KILL',
    stopWith: 'SIGTERM',
    thenWith: 'SIGKILL',
    user,
    searchPath,
    cwd: dir,
    env: { PATH: searchPath, ...program.env },
    logPath: join(dir, 'redis.log'),
  });
}

/** By standard input, so that the password is neither among its arguments nor in a file. */
function settingsFor({ port, password }: Access): string {
  return `
bind ${LOOPBACK}
port ${port}
requirepass ${password}
maxmemory-policy noeviction
save ""
appendonly no
daemonize no
supervised no
loglevel warning
`;
}

async function waitUntilReady(options: RedisOptions, server: ServerProcess, access: Access): Promise<void> {
  const wait = { deadlineMs: READY_WITHIN_MS, clock: options.clock ?? monotonicMs, signal: options.signal };
  const ready = await waitUntil(wait, async () => {
    if (server.hasExited()) throw await failure('ended at once', options, server);
    // Whoever else has the port may keep us waiting for an answer.
    const isAnswered = await Promise.race([answersPing(access), server.exited.then(() => false)]);
    return isAnswered ? true : undefined;
  });
  if (ready === undefined)
    throw await failure(`did not answer within ${READY_WITHIN_MS / 1_000} s`, options, server);
}

/** One AUTH and one PING by hand: a client library would go on trying behind our back. */
function answersPing({ port, password }: Access): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK, port });
    let reply = '';
    const finish = (isAnswered: boolean): void => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.setTimeout(2_000, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.setEncoding('utf8').on('data', (text: string) => {
      reply += text;
      if (reply.includes('+PONG')) finish(true);
    });
  });
}

async function failure(what: string, options: RedisOptions, server: ServerProcess): Promise<SetupError> {
  const line = `Redis ${what} (its log is in ${options.dir}): mend what it says, or set REDIS_URL`;
  return new SetupError(line, { log: await server.lastWords() });
}

function portTaken(port: number, cause: unknown): SetupError {
  return new SetupError(
    `port ${port} of ${LOOPBACK} is taken, Redis cannot listen there: free it or name another`,
    { cause },
  );
}
