import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../config.ts';
import { startServerProcess, type ServerProcess } from '../../embedded/server-process.ts';

export interface WorkerProcesses {
  start(): Promise<void>;
  /** Ends one of them without a word; a new one takes its place. */
  killOne(): void;
  stop(): Promise<void>;
}

export interface WorkerProcessesOptions {
  count: number;
  env: Environment;
  dir: string;
  cwd: string;
  searchPath: string;
  onDeath(line: string): void;
}

const RESTART_MS = 500;

/** Worker processes that end with this one; each that dies is replaced. */
export function createWorkerProcesses(options: WorkerProcessesOptions): WorkerProcesses {
  const running = new Map<number, ServerProcess>();
  let stopping = false;
  let turn = 0;
  const keep = async (slot: number): Promise<void> => {
    const started = await startWorker(options, slot);
    running.set(slot, started);
    void replaceWhenDead(slot, started);
  };
  const replaceWhenDead = async (slot: number, started: ServerProcess): Promise<void> => {
    await started.exited;
    running.delete(slot);
    if (stopping) return;
    options.onDeath(`worker ${slot} (process ${started.pid}) died; another takes its place`);
    await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    if (!stopping) await keep(slot);
  };
  return {
    async start() {
      await Promise.all(Array.from({ length: options.count }, (_, slot) => keep(slot)));
    },
    killOne() {
      const alive = [...running.values()];
      const victim = alive[turn % Math.max(1, alive.length)];
      turn += 1;
      if (victim !== undefined && victim.pid > 0) process.kill(victim.pid, 'SIGKILL');
    },
    async stop() {
      stopping = true;
      await Promise.all([...running.values()].map((worker) => worker.stop()));
    },
  };
}

async function startWorker(options: WorkerProcessesOptions, slot: number): Promise<ServerProcess> {
  const entry = fileURLToPath(new URL('../drover.ts', import.meta.url));
  return startServerProcess({
    words: [process.execPath, entry, 'work', '--with-parent'],
    env: defined(options.env),
    cwd: options.cwd,
    logPath: join(options.dir, `worker-${slot}.log`),
    dieWith: 'TERM',
    stopWith: 'SIGTERM',
    thenWith: 'SIGKILL',
    searchPath: options.searchPath,
  });
}

function defined(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
