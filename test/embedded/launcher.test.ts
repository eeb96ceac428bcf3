import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findServerUser } from '../../src/embedded/run-as.ts';
import {
  makeCheckout,
  PACKAGES_FOR_SERVERS,
  type Started,
  type ThrowawayCheckout,
} from './throwaway-checkout.ts';

let checkout: ThrowawayCheckout;

beforeEach(async () => {
  checkout = await makeCheckout({});
});

afterEach(() => checkout.remove());

async function finish(
  words: readonly string[],
  env?: Record<string, string>,
): Promise<Started['output'] & { code: number }> {
  const started = await checkout.start(words, env);
  const code = await started.exited;
  return { ...started.output, code };
}

function launch(...args: string[]) {
  return finish(['node', 'scripts/launch.mjs', ...args]);
}

function put(path: string, text: string): Promise<void> {
  return writeFile(join(checkout.dir, path), text);
}

/** A stand-in for an installed tool, which says what it was asked and ends with the given code. */
async function putTool(name: string, code: number): Promise<void> {
  await put(
    `node_modules/.bin/${name}`,
    `console.log('${name}', ...process.argv.slice(2)); process.exitCode = ${code};`,
  );
}

describe('the launcher', () => {
  test('passes arguments on and exit codes back', async () => {
    await put(
      'src/cli/explore.ts',
      'process.stdout.write(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = 7;\n',
    );
    const { code, stdout } = await launch('explore', '--seeds', '5');
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toEqual(['--seeds', '5']);
  });

  test('runs TypeScript under Node 24 or later whatever Node it was started with', async () => {
    await put(
      'src/cli/explore.ts',
      'const version: string = process.versions.node;\nprocess.stdout.write(version);\n',
    );
    const { stdout } = await launch('explore');
    expect(Number(stdout.split('.')[0])).toBeGreaterThanOrEqual(24);
  });

  test('names the commands there are', async () => {
    const { code, stderr } = await launch('strat');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'drover: no command strat: choose one of start, test, verify, bench, explore, spec, chaos, prove, drover\n',
    );
  });

  test('verifies step by step and reports each', async () => {
    for (const name of ['oxfmt', 'tsc', 'oxlint', 'knip', 'vitest']) await putTool(name, 0);
    const { code, stdout, stderr } = await launch('verify');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'oxfmt --check',
      'tsc',
      'oxlint --type-aware',
      'knip',
      'vitest run test/architecture',
    ]);
    expect([...stderr.matchAll(/drover: (.+): fine/g)].map(([, name]) => name)).toEqual([
      'format',
      'types',
      'lint',
      'dead code',
      'architecture',
    ]);
  });

  test('ends verification at the first step that fails', async () => {
    for (const [name, exitCode] of [
      ['oxfmt', 0],
      ['tsc', 2],
      ['oxlint', 0],
    ] as const)
      await putTool(name, exitCode);
    const { code, stdout, stderr } = await launch('verify');
    expect(code).toBe(2);
    expect(stderr).toContain('drover: types: failed');
    expect(stdout).not.toContain('oxlint');
  });

  test('keeps the standard output of npx drover clean', async () => {
    await put('src/cli/drover.ts', 'process.stdout.write(JSON.stringify({ cwd: process.cwd() }));\n');
    const { code, stdout } = await finish(['npx', 'drover', 'pools', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ cwd: checkout.dir });
  });
});

describe('packages', () => {
  test('that agree with the lock file are taken as they are', async () => {
    await put('src/cli/explore.ts', '');
    expect((await launch('explore')).stderr).toBe('');
    expect(await readFile(join(checkout.dir, 'node_modules/.drover-stamp'), 'utf8')).toMatch(
      /^[0-9a-f]{64}$/,
    );
  });

  test('that do not are installed anew, with progress', async () => {
    const dependency = {
      'left-behind': { version: '1.0.0', resolved: 'file:gone.tgz', integrity: 'sha512-none' },
    };
    const packages = {
      '': { name: 'drover', version: '0.0.0' },
      'node_modules/left-behind': dependency['left-behind'],
    };
    await put(
      'package-lock.json',
      JSON.stringify({ name: 'drover', version: '0.0.0', lockfileVersion: 3, packages }),
    );
    await put('src/cli/explore.ts', '');
    const { stderr } = await launch('explore');
    expect(stderr).toContain('drover: installing packages with npm ci');
  });

  test('that npm cannot install end with its reason in one line', async () => {
    await put('package-lock.json', '{ this is no lock file');
    await put('node_modules/.drover-stamp', 'of another lock file');
    const { code, stderr } = await launch('explore');
    expect(code).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^drover: /);
    expect(stderr).not.toContain('    at ');
  });

  test('behind a link are left alone', async () => {
    await rename(join(checkout.dir, 'node_modules'), join(checkout.home, 'elsewhere'));
    await symlink(join(checkout.home, 'elsewhere'), join(checkout.dir, 'node_modules'));
    await put('runtime/package.json', '{}');
    await rm(join(checkout.home, 'elsewhere', '.package-lock.json'));
    const { code, stderr } = await launch('explore');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^drover: \S+node_modules is a link and its packages are out of date: run npm ci where it points to\n$/,
    );
  });
});

describe.runIf(process.getuid?.() === 0)('as a normal user', () => {
  beforeEach(async () => {
    await checkout.remove();
    checkout = await makeCheckout({ user: await findServerUser(), packages: PACKAGES_FOR_SERVERS });
  });

  test('a checkout that cannot be written to is named in one line', async () => {
    await rm(join(checkout.dir, 'node_modules'), { recursive: true });
    await chmod(checkout.dir, 0o555);
    const { code, stderr } = await launch('start');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^drover: cannot install packages, \S+ is not writable: make it yours, or run npm ci as its owner\n$/,
    );
  });

  test('a data folder that cannot be written to is named in one line', async () => {
    const closed = join(checkout.home, 'closed');
    await mkdir(closed, { mode: 0o755 });
    const { code, stderr } = await finish(['node', 'scripts/launch.mjs', 'start'], {
      DROVER_STATE_DIR: closed,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^cannot write to \S+closed\/checkouts\S+ \(EACCES\): make it writable for this user, or set DROVER_STATE_DIR and DROVER_CACHE_DIR to folders that are\n$/,
    );
  });
});
