import { AssertionError } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../src/config.ts';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { type ServerProcess, startServerProcess } from '../../src/embedded/server-process.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';

/** One of drover's processes, as whoever deploys them starts and ends it. */
export interface RolledProcess {
  name: string;
  pid: number;
  /** Asks it to end in order, and kills it where it has not within ten seconds: then its exit code is null. */
  end(): Promise<ProcessEnd>;
  /** What it has logged that is no mere information. */
  troubles(): Promise<string[]>;
}

export interface ProcessEnd {
  name: string;
  code: number | null;
  ms: number;
}

const ENTRY = fileURLToPath(new URL('../../src/cli/drover.ts', import.meta.url));
const READY = { work: /^working$/m, serve: /^http:\/\/\S+$/m } as const;
const READY_WITHIN_MS = 60_000;

/** Starts `drover serve` or `drover work`; resolves once it says that it does so. */
export async function startRolled(from: {
  name: string;
  role: 'serve' | 'work';
  dir: string;
  env: Environment;
}): Promise<RolledProcess> {
  const { name, dir } = from;
  const logPath = join(dir, `${name}.log`);
  const started = await startServerProcess({
    words: [process.execPath, ENTRY, from.role, '--with-parent'],
    env: defined(from.env),
    ...{ cwd: dir, logPath, searchPath: process.env['PATH'] ?? DEFAULT_SEARCH_PATH },
    ...{ dieWith: 'TERM', stopWith: 'SIGTERM', thenWith: 'SIGKILL' },
  });
  await untilReady(started, { name, logPath, line: READY[from.role] });
  return {
    name,
    pid: started.pid,
    async end() {
      const startedMs = performance.now();
      await started.stop();
      return { name, code: await started.exited, ms: performance.now() - startedMs };
    },
    troubles: async () =>
      (await readFile(logPath, 'utf8')).split('\n').filter((line) => line.startsWith('{')),
  };
}

async function untilReady(
  started: ServerProcess,
  of: { name: string; logPath: string; line: RegExp },
): Promise<void> {
  const ready = await waitUntil({ deadlineMs: READY_WITHIN_MS, everyMs: 20 }, async () => {
    if (of.line.test(await readFile(of.logPath, 'utf8'))) return true;
    return started.hasExited() ? false : undefined;
  });
  if (ready === true) return;
  await started.stop();
  throw new AssertionError({
    message: `${of.name} did not start: ${(await started.lastWords()).join(' | ')}`,
  });
}

function defined(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
