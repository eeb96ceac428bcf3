import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { findMarked, findWorkingIn, type FoundProcess } from '../support/process-search.ts';
import { findListening, type ListeningSocket, stillListening } from './listening-sockets.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Of no use in a copy, or there by a link. */
const NOT_COPIED = new Set(['node_modules', '.git', '.drover']);

/** A copy of this checkout as it is now, with places of its own: what runs in it disturbs nobody else's run. */
export interface CheckoutCopy {
  dir: string;
  /** Starts a command line in it, in a process group of its own as a terminal would. */
  start(words: readonly string[], env?: Record<string, string>): Command;
  /** Processes that were started in it and live, and where they listen. */
  look(): Promise<Traces>;
  /** What is left of what `look` has seen, and of everything else that was started; waits for what is about to end. */
  left(seen?: Traces): Promise<string[]>;
  /** Ends what still runs, and removes it. */
  remove(): Promise<void>;
}

export interface Traces {
  processes: FoundProcess[];
  sockets: ListeningSocket[];
}

export interface Command {
  /** What it has printed so far, both streams together. */
  said(): string;
  /** Resolves once it has printed this; rejects where it ends before. */
  until(text: string | RegExp): Promise<void>;
  /** Its exit code; null where a signal ended it. */
  exited: Promise<number | null>;
  /** Ctrl-C in its terminal. */
  interrupt(): void;
}

const SAYS_WITHIN_MS = 120_000;
const GONE_WITHIN_MS = 15_000;

export async function copyCheckout(): Promise<CheckoutCopy> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'drover-journey-')));
  // The embedded servers' user enters it.
  await chmod(base, 0o755);
  const dir = join(base, 'drover');
  for (const name of await readdir(ROOT)) {
    if (!NOT_COPIED.has(name)) await cp(join(ROOT, name), join(dir, name), { recursive: true });
  }
  await symlink(await realpath(join(ROOT, 'node_modules')), join(dir, 'node_modules'));
  const mark = { name: 'DROVER_JOURNEY', value: randomUUID() };
  const environment = { ...inherited(), DROVER_STATE_DIR: join(base, 'state'), [mark.name]: mark.value };
  const processes = async () => {
    const found = [...(await findMarked(mark)), ...(await findWorkingIn(base))];
    return [...new Map(found.map((each) => [each.pid, each])).values()];
  };
  const leftNow = async (seen: Traces | undefined): Promise<string[]> => [
    ...(await processes()).map(({ pid, command }) => `process ${pid} ${command}`),
    ...(await stillListening(seen?.sockets ?? [])).map(({ address }) => `listening at ${address}`),
  ];
  return {
    dir,
    start: (words, env = {}) => startIn(dir, words, { ...environment, ...env }),
    async look() {
      const found = await processes();
      return { processes: found, sockets: await findListening(found.map(({ pid }) => pid)) };
    },
    async left(seen) {
      const none = async () => ((await leftNow(seen)).length === 0 ? [] : undefined);
      return (await waitUntil({ deadlineMs: GONE_WITHIN_MS, everyMs: 100 }, none)) ?? leftNow(seen);
    },
    async remove() {
      for (const { pid } of await processes()) endProcess(pid);
      await rm(base, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** Ours, without what would lead a run to other servers, another run or another npm. */
function inherited(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      (!/^(DROVER_|npm_|DATABASE_URL$|REDIS_URL$|VITEST|NODE_ENV$)/.test(entry[0]) || KEPT.has(entry[0])),
  );
  return { ...Object.fromEntries(kept), PATH: SYSTEM_PATH };
}

/** A person's own path, without the packages of the checkout that runs these tests. */
const SYSTEM_PATH = [...(process.env['PATH'] ?? '').split(':'), ...DEFAULT_SEARCH_PATH.split(':')]
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');

/** The mark that the watch for leaks looks for, and a Redis that may have been fetched. */
const KEPT = new Set(['DROVER_TEST_FILE', 'DROVER_CACHE_DIR']);

function startIn(dir: string, words: readonly string[], env: Record<string, string>): Command {
  const [file = '', ...args] = words;
  const child = spawn(file, args, { cwd: dir, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (printed.text += text));
  }
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return {
    said: () => printed.text,
    exited,
    until: (text) => untilSaid({ child, printed, text }),
    interrupt: () => void (child.pid === undefined || process.kill(-child.pid, 'SIGINT')),
  };
}

async function untilSaid(on: {
  child: ChildProcess;
  printed: { text: string };
  text: string | RegExp;
}): Promise<void> {
  const { child, printed, text } = on;
  const isSaid = () => (typeof text === 'string' ? printed.text.includes(text) : text.test(printed.text));
  const heard = await waitUntil({ deadlineMs: SAYS_WITHIN_MS, everyMs: 50 }, async () => {
    if (isSaid()) return true;
    return child.exitCode === null && child.signalCode === null ? undefined : false;
  });
  if (heard !== true && !isSaid()) throw new Error(`it never said ${text}, but:\n${printed.text}`);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
