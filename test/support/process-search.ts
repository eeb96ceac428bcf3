import { readdir, readFile, readlink } from 'node:fs/promises';
import { commandLineOf, identifyProcess } from '../../src/embedded/process-identity.ts';

/** What a process tree is marked with: an environment variable, which children inherit. */
export interface Mark {
  name: string;
  value: string;
}

export interface FoundProcess {
  pid: number;
  command: string;
}

/** Every living process that carries the mark in its environment, without this one. */
export async function findMarked(mark: Mark): Promise<FoundProcess[]> {
  const wanted = `${mark.name}=${mark.value}`;
  return search(async (pid) => {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    return pid !== process.pid && environment.split('\0').includes(wanted);
  });
}

/** Every living process that the given one started itself. */
export async function findChildren(parentPid: number): Promise<FoundProcess[]> {
  return search(async (pid) => (await identifyProcess(pid))?.parentPid === parentPid);
}

/** Every living process that works in a folder or below it: servers do. */
export async function findWorkingIn(folder: string): Promise<FoundProcess[]> {
  return search(async (pid) => {
    const place = await readlink(`/proc/${pid}/cwd`);
    return place === folder || place.startsWith(`${folder}/`);
  });
}

async function search(isWanted: (pid: number) => Promise<boolean>): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Gone by now, or another user's: neither is one of ours.
      if (!(await isWanted(pid).catch(() => false))) return [];
      const isLiving = (await identifyProcess(pid)) !== undefined;
      return isLiving ? [{ pid, command: (await commandLineOf(pid)).join(' ') }] : [];
    }),
  );
  return found.flat();
}
