import { readFile } from 'node:fs/promises';

/** One process; its start time tells it from a later process with the same id. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since the machine started, as the kernel writes it. */
  startedAt: string;
  parentPid: number;
}

/** The process as the kernel sees it now; undefined where it is gone or a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the command in brackets and may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startedAt = fields[19];
  if (fields[0] === 'Z' || fields[0] === 'X' || startedAt === undefined) return undefined;
  return { pid, startedAt, parentPid: Number(fields[1]) };
}

/** True while the very process that was identified is still there. */
export async function isAlive(identity: Pick<ProcessIdentity, 'pid' | 'startedAt'>): Promise<boolean> {
  return (await identifyProcess(identity.pid))?.startedAt === identity.startedAt;
}

/** The words of a process's command line, empty where it is gone. */
export async function commandLineOf(pid: number): Promise<string[]> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return words.split('\0').filter((word) => word !== '');
}
