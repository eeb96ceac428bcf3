import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findTools } from '../../src/spec/find-tools.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-tools-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function install(...names: string[]): Promise<void> {
  for (const name of names) {
    await writeFile(join(folder, name), '');
    await chmod(join(folder, name), 0o755);
  }
}

test('both tools are found on the search path', async () => {
  await install('spin', 'gcc');
  expect(await findTools(`/nowhere::${folder}`)).toEqual({
    spin: join(folder, 'spin'),
    compiler: join(folder, 'gcc'),
  });
});

test('an absent checker is named with its package', async () => {
  await install('cc');
  expect(await findTools(folder)).toBe(
    'the models cannot be checked without spin, the model checker (Debian package: spin): apt-get install spin',
  );
});

test('an absent compiler is named with its package', async () => {
  await install('spin');
  expect(await findTools(folder)).toMatch(/a C compiler \(Debian package: gcc\): apt-get install gcc$/);
});

test('where both are absent both are named', async () => {
  expect(await findTools(folder)).toMatch(/apt-get install spin gcc$/);
});

test('a file that may not be run is no tool', async () => {
  await writeFile(join(folder, 'spin'), '');
  await install('cc');
  expect(await findTools(folder)).toMatch(/apt-get install spin$/);
});
