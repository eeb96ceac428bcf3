import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runBound } from './bound-command.ts';
import { commandLineOf } from './process-identity.ts';
import type { ServerUser } from './run-as.ts';
import { SetupError, systemCode } from './setup-error.ts';
import { waitUntil, type ClockMs } from './wait-until.ts';

const MAJOR = '18';
const INIT_WITHIN_MS = 120_000;
export const SUPERUSER = 'drover';

export interface PostgresHome {
  /** Holds `data/` and its password; nobody else's files. */
  dir: string;
  binaries: string;
  user: ServerUser | undefined;
  searchPath: string;
  clock: ClockMs;
  signal: AbortSignal | undefined;
}

/** Makes the data directory where there is none yet, whole or not at all; resolves to it and its password. */
export async function prepareData(home: PostgresHome): Promise<{ data: string; password: string }> {
  const data = join(home.dir, 'data');
  const version = await readIfThere(join(data, 'PG_VERSION'));
  if (version === undefined) return { data, password: await initialise(home, data) };
  if (version.trim() !== MAJOR) {
    throw new SetupError(
      `the data in ${data} is PostgreSQL ${version.trim()}'s and this is ${MAJOR}: move that folder away, or set DATABASE_URL`,
    );
  }
  const password = await readIfThere(join(home.dir, 'password'));
  if (password === undefined) {
    throw new SetupError(
      `the password of the data in ${data} is lost: move ${home.dir} away to start with empty data`,
    );
  }
  return { data, password };
}

async function initialise(home: PostgresHome, data: string): Promise<string> {
  await removeDrafts(home.dir);
  const draft = join(home.dir, `draft-${randomBytes(4).toString('hex')}`);
  const passwordFile = `${draft}.password`;
  const password = randomBytes(24).toString('base64url');
  await mkdir(draft, { mode: 0o700 });
  await chmod(draft, 0o700);
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (home.user !== undefined) {
    await chown(draft, home.user.uid, home.user.gid);
    await chown(passwordFile, home.user.uid, home.user.gid);
  }
  try {
    await runInitdb(home, draft, passwordFile);
    // Written before the data gets its name: data without its password would be lost.
    await writeFile(join(home.dir, 'password'), password, { mode: 0o600 });
    await rename(draft, data);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
  return password;
}

async function runInitdb(home: PostgresHome, draft: string, passwordFile: string): Promise<void> {
  const words = [
    join(home.binaries, 'bin', 'initdb'),
    `--pgdata=${draft}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
  ];
  const { isOk, said } = await runBound(words, {
    dieWith: 'KILL',
    user: home.user,
    searchPath: home.searchPath,
    cwd: home.dir,
    env: { LC_ALL: 'C', PATH: home.searchPath },
    timeoutMs: INIT_WITHIN_MS,
    signal: home.signal,
  });
  home.signal?.throwIfAborted();
  if (isOk) return;
  const line = `PostgreSQL could not set up its data in ${home.dir}: mend what it says, or set DATABASE_URL`;
  throw new SetupError(line, { log: said });
}

async function removeDrafts(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name.startsWith('draft-')) await rm(join(dir, name), { recursive: true, force: true });
  }
}

/**
 * Ends a server that a killed run left on this data, and removes what only looks like one.
 * Its owner's lock is ours by now, so nobody else may be using the data.
 */
export async function endOrphan(data: string, clock: ClockMs): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  const pid = Number((await readIfThere(pidFile))?.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  for (const [signal, deadlineMs] of [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
  ] as const) {
    if (!(await isServerOf(pid, data))) break;
    send(pid, signal);
    await waitUntil({ deadlineMs, clock }, async () => ((await isServerOf(pid, data)) ? undefined : true));
  }
  if (await isServerOf(pid, data)) {
    throw new SetupError(`an earlier PostgreSQL (process ${pid}) does not stop: end it, then start again`);
  }
  // The id may belong to a stranger by now, which would make PostgreSQL refuse to start.
  await rm(pidFile, { force: true });
}

async function isServerOf(pid: number, data: string): Promise<boolean> {
  return (await commandLineOf(pid)).includes(data);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new SetupError(
      `cannot read ${path} (${systemCode(error) ?? String(error)}): make it readable for this user`,
      {
        cause: error,
      },
    );
  }
}
