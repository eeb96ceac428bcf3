import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_SEARCH_PATH, findProgram } from '../../src/embedded/find-program.ts';
import { startRedis } from '../../src/embedded/redis.ts';
import { findRedis } from '../../src/embedded/redis-program.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { makeTemporaryPlaces, type TemporaryPlaces } from './temporary-places.ts';

let temporary: TemporaryPlaces;

beforeAll(async () => {
  temporary = await makeTemporaryPlaces();
});

afterAll(() => temporary.remove());

/** A search path that begins with a folder of its own, holding one program that answers `--version` like this. */
async function pathWith(name: string, version: string): Promise<string> {
  const folder = join(temporary.base, `path-${name}-${version}`);
  await mkdir(folder);
  await writeFile(join(folder, name), `#!/bin/sh\necho "server v=${version} sha=0"\n`);
  await chmod(join(folder, name), 0o755);
  return `${folder}:${DEFAULT_SEARCH_PATH}`;
}

function search(searchPath: string, cacheDir = temporary.places.cacheDir) {
  return findRedis({ searchPath, cacheDir, onProgress: () => undefined, signal: undefined });
}

test('a server on the path is used', async () => {
  const program = await search(await pathWith('valkey-server', '8.1.0'));
  expect(program.file).toContain('path-valkey-server-8.1.0');
});

test('a server on the path that is too old for BullMQ is passed over', async () => {
  const program = await search(await pathWith('redis-server', '6.0.16'));
  expect(program.file).not.toContain('path-redis-server-6.0.16');
});

test('a start that is called off leaves the fetched server in place', async () => {
  const cacheDir = join(temporary.base, 'cache-called-off');
  const folder = join(cacheDir, `redis-${process.arch}`);
  await mkdir(folder, { recursive: true });
  const begun = join(temporary.base, 'begun');
  await writeFile(join(folder, 'redis-server'), `#!/bin/sh\ntouch ${begun}\nexec sleep 60\n`, {
    mode: 0o755,
  });
  const searchPath = await pathWith('valkey-server', '5.0.0');
  const calledOff = new AbortController();
  const search = findRedis({ searchPath, cacheDir, onProgress: () => undefined, signal: calledOff.signal });
  await Promise.race([
    search,
    waitUntil({ deadlineMs: 20_000 }, async () => (existsSync(begun) ? true : undefined)),
  ]);
  calledOff.abort(new Error('called off'));
  await expect(search).rejects.toThrow('called off');
  expect(await readdir(folder)).toEqual(['redis-server']);
});

const aptGet = await findProgram('apt-get', DEFAULT_SEARCH_PATH);
const installed = await findProgram('redis-server', DEFAULT_SEARCH_PATH);

test.skipIf(aptGet === undefined || installed !== undefined)(
  'where none is installed two starts at once fetch it into one private cache, and it runs',
  { timeout: 120_000 },
  async () => {
    const cacheDir = join(temporary.base, 'cache');
    const [one, other] = await Promise.all([
      search(DEFAULT_SEARCH_PATH, cacheDir),
      search(DEFAULT_SEARCH_PATH, cacheDir),
    ]);
    expect(other).toEqual(one);
    expect(await readdir(cacheDir)).toEqual([`redis-${process.arch}`]);
    const server = await startRedis({
      dir: join(temporary.base, 'redis'),
      cacheDir,
      onProgress: () => undefined,
    });
    expect(server.url).toMatch(/^redis:/);
    await server.stop();
  },
);
