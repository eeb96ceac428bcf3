import { readFileSync } from 'node:fs';

/**
 * One process as the kernel sees it now; its start time tells it from a later process with the same id.
 * Undefined where it is gone, a zombie, or where there is no /proc.
 *
 * @param {number} pid
 * @returns {{ pid: number, parentPid: number, startedAt: string } | undefined}
 */
export function identify(pid) {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the command in brackets and may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, parentPid: Number(fields[1]), startedAt: fields[19] };
}

/** True while the very process that was identified is still there. */
export function isSameProcess(identity) {
  return identify(identity.pid)?.startedAt === identity.startedAt;
}

/** The words of a process's command line, empty where it cannot be read. */
export function commandLine(pid) {
  return (readOrUndefined(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '');
}

function readOrUndefined(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
