import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../src/cli/drover.ts', import.meta.url));
const PATIENCE_MS = 20_000;

export interface Finished {
  code: number | null;
  out: string;
  err: string;
}

export interface DroverProcess {
  ended: Promise<Finished>;
  /** Resolves once this has been printed, on either stream. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

/** The command as people run it: a process of its own, without a terminal. */
export function startDrover(
  args: readonly string[],
  options: { env: Record<string, string>; cwd?: string },
): DroverProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^DROVER_(URL|TOKEN)$/.test(name));
  const child = spawn(process.execPath, [ENTRY, ...args], {
    env: { ...Object.fromEntries(inherited), ...options.env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { out: '', err: '' };
  const listeners = new Set<() => void>();
  const take = (name: 'out' | 'err') => (data: Buffer) => {
    printed[name] += data.toString();
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', take('out'));
  child.stderr.on('data', take('err'));
  const ended = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...printed }));
  });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    said: (text) =>
      new Promise((resolve, reject) => {
        const heard = () => `${printed.out}\n${printed.err}`.includes(text);
        const fail = () => {
          done();
          reject(new Error(`it never said "${text}" but: ${printed.out}${printed.err}`));
        };
        const timer = setTimeout(fail, PATIENCE_MS);
        const look = () => {
          if (!heard()) return;
          done();
          resolve();
        };
        const done = () => {
          clearTimeout(timer);
          listeners.delete(look);
        };
        listeners.add(look);
        child.once('close', () => (heard() ? look() : fail()));
        look();
      }),
  };
}
