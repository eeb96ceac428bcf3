import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, type Places } from './places.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';
import { SetupError, systemCode } from './setup-error.ts';

const OWNER_FILE = 'owner.json';
const MOST_TAKEOVERS = 20;

type Owner = Pick<ProcessIdentity, 'pid' | 'startedAt'>;

/** A folder that belongs to one running process. */
export interface RunFolder {
  dir: string;
  /** Gives it back: a kept one stays on disk for the next run, a throw-away one is removed. */
  close(): Promise<void>;
}

/**
 * Opens the checkout's kept folder, or a throw-away one.
 * Rejects where another process uses the kept one; what dead processes left behind is taken over or removed.
 */
export async function openRunFolder(places: Places, options: { persistent: boolean }): Promise<RunFolder> {
  return options.persistent ? openKept(places) : openThrowAway(places);
}

async function openKept(places: Places): Promise<RunFolder> {
  const dir = join(places.dataDir, 'kept');
  await makeFolder(dir);
  const owner = await ourselves();
  await lock(dir, owner);
  return { dir, close: async () => rm(join(dir, OWNER_FILE), { force: true }) };
}

async function openThrowAway(places: Places): Promise<RunFolder> {
  const runs = join(places.dataDir, 'runs');
  await makeFolder(runs);
  await removeAbandoned(runs);
  const dir = join(runs, `${process.pid}-${randomBytes(4).toString('hex')}`);
  await makeFolder(dir);
  await writeFile(join(dir, OWNER_FILE), JSON.stringify(await ourselves()));
  return { dir, close: async () => rm(dir, { recursive: true, force: true, maxRetries: 5 }) };
}

async function ourselves(): Promise<Owner> {
  const identity = await identifyProcess(process.pid);
  if (identity === undefined)
    throw new SetupError('embedded servers need Linux with /proc: set DATABASE_URL and REDIS_URL');
  return identity;
}

/** Linking is the one step that fails where somebody else was first. */
async function lock(dir: string, owner: Owner): Promise<void> {
  const path = join(dir, OWNER_FILE);
  const mine = join(dir, `owner.${owner.pid}.${randomBytes(4).toString('hex')}`);
  await writeFile(mine, JSON.stringify(owner)).catch((error: unknown) => {
    throw new SetupError(
      `cannot write to ${dir} (${systemCode(error) ?? String(error)}): make it writable for this user`,
      {
        cause: error,
      },
    );
  });
  try {
    for (let attempt = 0; attempt < MOST_TAKEOVERS; attempt += 1) {
      if (await tryLink(mine, path)) return;
      const other = await readOwner(path);
      if (other !== undefined && (await isAlive(other))) throw alreadyRunning(other);
      await setAside(path, other);
    }
    throw new SetupError(`cannot take over ${path}: remove it and start again`);
  } finally {
    await rm(mine, { force: true });
  }
}

function alreadyRunning(other: Owner): SetupError {
  return new SetupError(
    `drover is already running in this checkout (process ${other.pid}): stop that one first, or start from another checkout`,
  );
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead owner's file away; where somebody took over in between, theirs is put back. */
async function setAside(path: string, dead: Owner | undefined): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await readOwner(aside);
  const isTheDeadOne = moved?.pid === dead?.pid && moved?.startedAt === dead?.startedAt;
  if (!isTheDeadOne) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startedAt' in value))
      return undefined;
    return { pid: Number(value.pid), startedAt: String(value.startedAt) };
  } catch {
    return undefined;
  }
}

async function removeAbandoned(runs: string): Promise<void> {
  for (const name of await readdir(runs)) {
    const owner = (await readOwner(join(runs, name, OWNER_FILE))) ?? {
      pid: Number(name.split('-')[0]),
      startedAt: '',
    };
    // A folder without an owner file is being made right now, while the process it is named after lives.
    const isInUse =
      owner.startedAt === '' ? (await identifyProcess(owner.pid)) !== undefined : await isAlive(owner);
    if (!isInUse) await rm(join(runs, name), { recursive: true, force: true, maxRetries: 5 });
  }
}
