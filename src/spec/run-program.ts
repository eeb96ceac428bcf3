import { execFile } from 'node:child_process';

export interface ProgramRun {
  cwd: string;
  searchPath: string;
  timeoutMs: number;
}

export interface ProgramResult {
  /** Undefined where it was ended from outside, by its time-out or for too much output. */
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end or its time-out; a failure is told, not thrown. */
export function runProgram(words: readonly string[], run: ProgramRun): Promise<ProgramResult> {
  const [file = '', ...args] = words;
  const { cwd, timeoutMs: timeout } = run;
  const options = { cwd, timeout, maxBuffer: 64 * 1024 * 1024, env: { PATH: run.searchPath, LC_ALL: 'C' } };
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      resolve({ code: typeof code === 'number' ? code : undefined, stdout, stderr });
    });
  });
}
