import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { CliContext } from './cli-context.ts';
import { plain } from './print.ts';

export const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type PassedOn = (typeof PASSED_ON)[number];

export interface Ended {
  /** null where a signal ended it, or it never began. */
  code: number | null;
  /** The number of the signal that ended it. */
  signal: number | null;
  /** Why it never began: ENOENT, EACCES, ... */
  error: NodeJS.ErrnoException | undefined;
}

export interface Running {
  ended: Promise<Ended>;
  signal(name: NodeJS.Signals): void;
}

/** What `lease run` needs of the process around it. */
export interface RunHost {
  /** One listener at a time; the latest one hears. */
  onSignal(listener: (name: PassedOn) => void): void;
  signalNumber(name: PassedOn): number;
  run(command: readonly string[], env: Record<string, string>): Running;
  /** True where Ctrl-C reaches the command by itself, from the terminal. */
  terminalInterrupts: boolean;
  /** Tells people a line, or programs the event. */
  tell(event: string, data: Record<string, unknown>, line: string): void;
  now(): number;
  close(): void;
}

/** The real process: its signals, its terminal, its children. */
export function createRunHost(context: CliContext, options: { json: boolean }): RunHost {
  let hear: (name: PassedOn) => void = () => undefined;
  const listeners = PASSED_ON.map((name) => ({ name, listener: () => hear(name) }));
  for (const { name, listener } of listeners) process.on(name, listener);

  return {
    onSignal(listener) {
      hear = listener;
    },
    signalNumber: (name) => constants.signals[name],
    run: (command, env) => run(command, { ...context.env, ...env }),
    terminalInterrupts: [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY),
    tell(event, data, line) {
      context.err(options.json ? JSON.stringify({ event, ...data }) : `drover: ${plain(line)}`);
    },
    now: () => performance.now(),
    close() {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}

/** The command shares our terminal and streams, and our process group: what it prints is the caller's. */
function run(command: readonly string[], env: Record<string, string | undefined>): Running {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: 'inherit', env });
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
    child.once('exit', (code, signal) => {
      resolve({ code, signal: signal === null ? null : constants.signals[signal], error: undefined });
    });
  });
  return { ended, signal: (name) => void child.kill(name) };
}
