import { readdir, readFile } from 'node:fs/promises';

/** Ticks of /proc: a hundred a second wherever Linux runs. */
const TICK_MS = 10;

export interface ProcessSeen {
  name: string;
  parent: number;
  /** Of the process and its ended children, in milliseconds. */
  cpuMs: number;
}

/** A process of this machine; undefined where there is none, or no /proc. */
export async function readProcess(pid: number): Promise<ProcessSeen | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const parts = text === undefined ? null : /^\d+ \((.*)\) \S (\d+) (.*)$/s.exec(text);
  if (parts === null) return undefined;
  const ticks = (parts[3] ?? '').split(' ').slice(9, 13).map(Number);
  return {
    name: parts[1] ?? '',
    parent: Number(parts[2]),
    cpuMs: ticks.reduce((sum, each) => sum + each, 0) * TICK_MS,
  };
}

/** What a process and its children have used, those that have ended included; undefined where it is not there. */
export async function readProcessTreeCpuMs(root: number): Promise<number | undefined> {
  const seen = await readProcess(root);
  if (seen === undefined) return undefined;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readProcess));
  const children = all.filter((each) => each?.parent === root);
  return children.reduce((sum, each) => sum + (each?.cpuMs ?? 0), seen.cpuMs);
}
