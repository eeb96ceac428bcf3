import { execFile } from 'node:child_process';
import { findProgram } from './find-program.ts';
import type { ServerUser } from './run-as.ts';
import { SetupError } from './setup-error.ts';

export interface Bond {
  /** What the kernel sends the command when this process dies, however it dies. */
  dieWith: 'INT' | 'TERM' | 'KILL';
  user?: ServerUser | undefined;
  searchPath: string;
}

/** The words that run a command so that it cannot outlive this process, as another user where one is given. */
export async function bindCommand(words: readonly string[], bond: Bond): Promise<string[]> {
  const setpriv = await findProgram('setpriv', bond.searchPath);
  if (setpriv === undefined) {
    throw new SetupError(
      'setpriv is missing, which ties servers to this process: install util-linux, or set DATABASE_URL and REDIS_URL',
    );
  }
  const { user } = bond;
  const identity = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  return [setpriv, `--pdeathsig=${bond.dieWith}`, ...identity, '--', ...words];
}

export interface BoundRun extends Bond {
  cwd: string;
  env: Record<string, string>;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface BoundResult {
  isOk: boolean;
  /** False where it was ended from outside, by its time-out or the signal: then its failure says nothing about it. */
  hasFinished: boolean;
  stdout: string;
  /** The last lines of what it said, without empty ones. */
  said: string[];
}

/** Runs a command to its end, bound to this process; a failure is told, not thrown. */
export async function runBound(words: readonly string[], run: BoundRun): Promise<BoundResult> {
  const [file = '', ...args] = await bindCommand(words, run);
  const { cwd, env, timeoutMs: timeout, signal } = run;
  return new Promise((resolve) => {
    const options = { cwd, env, timeout, maxBuffer: 16 * 1024 * 1024, ...(signal && { signal }) };
    execFile(file, args, options, (error, stdout, stderr) => {
      const said = lastLines(`${stderr}\n${stdout}`);
      if (error !== null && said.length === 0) said.push(error.message);
      const hasFinished = error === null || typeof error.code === 'number';
      resolve({ isOk: error === null, hasFinished, stdout, said });
    });
  });
}

export function lastLines(text: string, count = 5): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').slice(-count);
}
