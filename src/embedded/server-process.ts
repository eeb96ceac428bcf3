import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { bindCommand, lastLines, type Bond } from './bound-command.ts';

export interface ServerCommand extends Bond {
  words: readonly string[];
  /** Written to its standard input, for what must not be seen among its arguments. */
  input?: string;
  env: Record<string, string>;
  cwd: string;
  /** Started anew with each start. */
  logPath: string;
  /** How it is asked to stop, and then told to. */
  stopWith: NodeJS.Signals;
  thenWith: NodeJS.Signals;
}

export interface ServerProcess {
  pid: number;
  hasExited(): boolean;
  /** Resolves when it is gone, to its exit code: null where a signal ended it, or where it never began. */
  exited: Promise<number | null>;
  /** The last lines of its log. */
  lastWords(): Promise<string[]>;
  /** Resolves when it is gone; may be called twice. */
  stop(): Promise<void>;
}

const ORDERLY_STOP_MS = 10_000;
const FORCED_STOP_MS = 5_000;

/** Starts a server that ends when this process does, and that a terminal's Ctrl-C does not reach. */
export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const [file = '', ...args] = await bindCommand(command.words, command);
  const log = await open(command.logPath, 'w', 0o600);
  const { cwd, env } = command;
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['pipe', log.fd, log.fd] });
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
    child.once('error', () => resolve(null));
  });
  // It may exit before it has read its input; its exit tells more than a broken pipe.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(command.input ?? '');
  await log.close();
  return {
    pid: child.pid ?? 0,
    hasExited: () => hasExited(child),
    exited,
    lastWords: async () => lastLines(await readFile(command.logPath, 'utf8')),
    stop: async () => {
      for (const signal of [command.stopWith, command.thenWith, 'SIGKILL'] as const) {
        if (hasExited(child)) return;
        child.kill(signal);
        await Promise.race([exited, expiry(signal === command.stopWith ? ORDERLY_STOP_MS : FORCED_STOP_MS)]);
      }
    },
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function expiry(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
