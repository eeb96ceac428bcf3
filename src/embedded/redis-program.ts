import { access, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentIn, fetchWithApt } from './apt-fetch.ts';
import { runBound } from './bound-command.ts';
import { fillFolder } from './fill-folder.ts';
import { findProgram } from './find-program.ts';
import { SetupError } from './setup-error.ts';

export interface RedisSearch {
  cacheDir: string;
  searchPath: string;
  onProgress: (line: string) => void;
  signal: AbortSignal | undefined;
}

export interface RedisProgram {
  file: string;
  /** What it needs in its environment to find its libraries. */
  env: Record<string, string>;
}

const NAMES = ['redis-server', 'valkey-server'];
/** BullMQ's scripts need what came with this version. */
const OLDEST: readonly [number, number] = [6, 2];

/** The system's own server where it is new enough, else a private one, fetched once per user. */
export async function findRedis(search: RedisSearch): Promise<RedisProgram> {
  for (const name of NAMES) {
    const file = await findProgram(name, search.searchPath);
    if (file !== undefined && (await isFit({ file, env: {} }, search))) return { file, env: {} };
  }
  const folder = join(search.cacheDir, `redis-${process.arch}`);
  const cached = programIn(folder);
  if (await isFit(cached, search)) return cached;
  await removeUnfit(folder);
  await fillFolder(folder, (draft) => fetchInto(draft, search));
  if (await isFit(cached, search)) return cached;
  throw new Error(`the Redis fetched into ${folder} does not run`);
}

function programIn(folder: string): RedisProgram {
  return { file: join(folder, 'redis-server'), env: environmentIn(folder) };
}

/** Runs it once: a program that is there may be too old, or miss a library that has been removed since. */
async function isFit(program: RedisProgram, search: RedisSearch): Promise<boolean> {
  const isThere = await access(program.file).then(
    () => true,
    () => false,
  );
  if (!isThere) return false;
  const { isOk, hasFinished, stdout } = await runBound([program.file, '--version'], {
    dieWith: 'KILL',
    searchPath: search.searchPath,
    cwd: '/',
    env: { PATH: search.searchPath, ...program.env },
    timeoutMs: 30_000,
    signal: search.signal,
  });
  search.signal?.throwIfAborted();
  // A machine that is out of breath is no reason to throw a good program away.
  if (!hasFinished)
    throw new SetupError(`${program.file} --version does not answer: start again, or set REDIS_URL`);
  const [, major, minor] = /v=(\d+)\.(\d+)/.exec(stdout) ?? [];
  if (!isOk || major === undefined) return false;
  return Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
}

async function removeUnfit(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

const REMEDY = 'install redis-server or valkey-server, or set REDIS_URL';

/** Debian's redis-tools holds the server under the name of its checker: its name decides what it is. */
async function fetchInto(draft: string, search: RedisSearch): Promise<void> {
  await fetchWithApt({ ...search, title: 'Redis', packageName: 'redis-tools', remedy: REMEDY, into: draft });
  await symlink('usr/bin/redis-check-rdb', join(draft, 'redis-server'));
}
