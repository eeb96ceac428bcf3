import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bindCommand } from '../../src/embedded/bound-command.ts';
import { findProgram, DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import type { Places } from '../../src/embedded/places.ts';
import { startPostgres, type EmbeddedServer } from '../../src/embedded/postgres.ts';
import { identifyProcess } from '../../src/embedded/process-identity.ts';
import { startRedis } from '../../src/embedded/redis.ts';
import { findServerUser } from '../../src/embedded/run-as.ts';
import { startServers, type ServersOptions } from '../../src/embedded/servers.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { findWorkingIn } from '../support/process-search.ts';
import { makeTemporaryPlaces, type TemporaryPlaces } from './temporary-places.ts';

const onProgress = (): void => undefined;
const stops: (() => Promise<unknown>)[] = [];
let temporary: TemporaryPlaces;
let places: Places;

beforeAll(async () => {
  temporary = await makeTemporaryPlaces();
  places = temporary.places;
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

afterAll(() => temporary.remove());

async function begin(options: Partial<ServersOptions> = {}) {
  const servers = await startServers({ places, persistent: false, onProgress, ...options });
  stops.push(() => servers.stop());
  return servers;
}

async function beginPostgres(name: string, port?: number): Promise<EmbeddedServer> {
  const dir = join(temporary.base, name);
  const server = await startPostgres({
    dir,
    binariesDir: places.binariesDir,
    onProgress,
    ...(port && { port }),
  });
  stops.push(() => server.stop());
  return server;
}

async function beginRedis(name: string, port?: number): Promise<EmbeddedServer> {
  const dir = join(temporary.base, name);
  const server = await startRedis({ dir, cacheDir: places.cacheDir, onProgress, ...(port && { port }) });
  stops.push(() => server.stop());
  return server;
}

/** A process of the servers' user that has nothing to do with any of this; resolves to its id. */
async function beginStranger(): Promise<number> {
  const bond = { dieWith: 'KILL', searchPath: DEFAULT_SEARCH_PATH, user: await findServerUser() } as const;
  const [file = '', ...args] = await bindCommand(['sleep', '60'], bond);
  const stranger = spawn(file, args, { stdio: 'ignore' });
  await once(stranger, 'spawn');
  stops.push(async () => stranger.kill('SIGKILL'));
  return stranger.pid ?? 0;
}

async function ask<T>(url: string, statement: string): Promise<T | undefined> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ answer: T }>(statement);
  await client.end();
  return rows[0]?.answer;
}

async function takePort(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return { server, port: address.port };
}

describe('embedded servers', () => {
  test('both answer, and stopping them leaves no process and no folder', async () => {
    const servers = await begin();
    const redis = new Redis(servers.redisUrl);
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
    expect(await ask(servers.databaseUrl, 'select 1 as answer')).toBe(1);
    expect((await findWorkingIn(temporary.base)).length).toBeGreaterThan(1);
    await servers.stop();
    expect(await findWorkingIn(temporary.base)).toEqual([]);
    expect(await readdir(join(places.dataDir, 'runs'))).toEqual([]);
  });

  test('two throw-away runs live side by side', async () => {
    const [one, other] = await Promise.all([begin(), begin()]);
    expect(one.databaseUrl).not.toBe(other.databaseUrl);
    expect(await ask(other.databaseUrl, 'select 1 as answer')).toBe(1);
  });

  test('given servers are used as they are and nothing is started', async () => {
    const given = { databaseUrl: 'postgresql://elsewhere/one', redisUrl: 'redis://elsewhere' };
    const untouched = { ...places, dataDir: join(temporary.base, 'untouched') };
    const servers = await begin({ ...given, places: untouched });
    expect(servers).toMatchObject(given);
    expect(await readdir(temporary.base)).not.toContain('untouched');
  });

  test('one given server leaves only the other to be started', async () => {
    const servers = await begin({ databaseUrl: 'postgresql://elsewhere/one' });
    const commands = (await findWorkingIn(temporary.base)).map(({ command }) => command);
    expect(servers.databaseUrl).toBe('postgresql://elsewhere/one');
    expect(commands).toEqual([expect.stringContaining('redis-server 127.0.0.1')]);
  });

  test('kept data survives a restart', async () => {
    const first = await begin({ persistent: true });
    await ask(first.databaseUrl, 'create table kept as select 7 as answer');
    await first.stop();
    const second = await begin({ persistent: true });
    expect(await ask(second.databaseUrl, 'select answer from kept')).toBe(7);
  });

  test('kept data belongs to one process at a time', async () => {
    await begin({ persistent: true });
    await expect(begin({ persistent: true })).rejects.toThrow(
      `drover is already running in this checkout (process ${process.pid}): stop that one first`,
    );
  });

  test('the kept data of a process that died is taken over', async () => {
    await mkdir(join(places.dataDir, 'kept'), { recursive: true });
    await writeFile(
      join(places.dataDir, 'kept', 'owner.json'),
      JSON.stringify({ pid: process.pid, startedAt: '1' }),
    );
    const servers = await begin({ persistent: true });
    expect(await ask(servers.databaseUrl, 'select 1 as answer')).toBe(1);
  });

  test('what dead throw-away runs left on disk is removed by the next one', async () => {
    const left = join(places.dataDir, 'runs', '1-dead');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'owner.json'), JSON.stringify({ pid: process.pid, startedAt: '1' }));
    await begin({ databaseUrl: 'postgresql://elsewhere/one' });
    expect(await readdir(join(places.dataDir, 'runs'))).not.toContain('1-dead');
  });

  test('a start that is called off leaves nothing running', async () => {
    const calledOff = new AbortController();
    const start = begin({
      signal: calledOff.signal,
      onProgress: () => calledOff.abort(new Error('called off')),
    });
    await expect(start).rejects.toThrow('called off');
    expect(await findWorkingIn(temporary.base)).toEqual([]);
  });

  test('where one cannot be had the other is stopped again', async () => {
    const searchPath = join(temporary.base, 'only-setpriv');
    await mkdir(searchPath, { recursive: true });
    await symlink((await findProgram('setpriv', DEFAULT_SEARCH_PATH)) ?? '', join(searchPath, 'setpriv'));
    const noCache = { ...places, cacheDir: join(temporary.base, 'no-cache') };
    await expect(begin({ places: noCache, searchPath })).rejects.toThrow(
      /^Redis is not installed and there is no apt-get to fetch it with: install redis-server or valkey-server, or set REDIS_URL$/,
    );
    expect(await findWorkingIn(temporary.base)).toEqual([]);
    expect(await readdir(join(places.dataDir, 'runs'))).toEqual([]);
  });
});

describe('the embedded PostgreSQL', () => {
  test('keeps commit timestamps, has room for two hundred, and listens on the loopback address alone', async () => {
    const { url } = await beginPostgres('settings');
    const setting = (name: string) => ask(url, `select current_setting('${name}') as answer`);
    expect(await setting('server_version')).toMatch(/^18\./);
    expect(await setting('track_commit_timestamp')).toBe('on');
    expect(await setting('max_connections')).toBe('200');
    expect(await setting('fsync')).toBe('on');
    expect(await setting('listen_addresses')).toBe('127.0.0.1');
    expect(await setting('unix_socket_directories')).toBe('');
  });

  test('wants its password, which is neither among its arguments nor in its log', async () => {
    const { url, pid } = await beginPostgres('secret');
    const wrong = new URL(url);
    const { password } = wrong;
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'select 1 as answer')).rejects.toThrow('password authentication failed');
    expect(password.length).toBeGreaterThan(20);
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
    expect(await readFile(join(temporary.base, 'secret', 'postgres.log'), 'utf8')).not.toContain(password);
  });

  test('a server that a killed run left on the data is ended first', async () => {
    const orphan = await beginPostgres('orphaned');
    await ask(orphan.url, 'create table kept as select 7 as answer');
    const next = await beginPostgres('orphaned');
    expect(await ask(next.url, 'select answer from kept')).toBe(7);
    expect(await identifyProcess(orphan.pid)).toBeUndefined();
  });

  test('a server killed outright is started again without losing a row', async () => {
    const killed = await beginPostgres('crashed');
    await ask(killed.url, 'create table kept as select 7 as answer');
    process.kill(killed.pid, 'SIGKILL');
    const next = await beginPostgres('crashed');
    expect(await ask(next.url, 'select answer from kept')).toBe(7);
  });

  test("a stale process id that is a stranger's by now does not keep it from starting", async () => {
    const first = await beginPostgres('stale');
    await first.stop();
    const pidFile = join(temporary.base, 'stale', 'data', 'postmaster.pid');
    await writeFile(pidFile, `${await beginStranger()}\n`);
    const next = await beginPostgres('stale');
    expect(await ask(next.url, 'select 1 as answer')).toBe(1);
  });

  test('a port that is taken is named in one line', async () => {
    const { server, port } = await takePort();
    await expect(beginPostgres('taken', port)).rejects.toThrow(
      new RegExp(
        `^port ${port} of 127.0.0.1 is taken, PostgreSQL cannot listen there: free it or name another$`,
      ),
    );
    server.close();
    expect(await findWorkingIn(join(temporary.base, 'taken'))).toEqual([]);
  });

  test('data of another version is refused with what to do', async () => {
    await mkdir(join(temporary.base, 'old', 'data'), { recursive: true });
    await writeFile(join(temporary.base, 'old', 'data', 'PG_VERSION'), '17\n');
    await expect(beginPostgres('old')).rejects.toThrow(
      "is PostgreSQL 17's and this is 18: move that folder away",
    );
  });

  test('a folder that cannot be made is named in one line', async () => {
    await writeFile(join(temporary.base, 'a-file'), '');
    await expect(beginPostgres('a-file/below')).rejects.toThrow(
      /^cannot write to \S+a-file\/below \(ENOTDIR\): make it writable for this user, or set DROVER_STATE_DIR/,
    );
  });

  test.runIf(process.getuid?.() === 0)(
    'a folder that its user cannot enter is named in one line',
    async () => {
      await mkdir(join(temporary.base, 'closed'), { mode: 0o700 });
      await expect(beginPostgres('closed/below')).rejects.toThrow(
        /^PostgreSQL runs as nobody, who cannot enter \S+closed:/,
      );
    },
  );
});

describe('the embedded Redis', () => {
  test('never evicts, keeps nothing on disk and wants its password', async () => {
    const { url, pid } = await beginRedis('redis');
    const redis = new Redis(url);
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await redis.config('GET', 'save')).toEqual(['save', '']);
    expect(await redis.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
    redis.disconnect();
    const { port, password } = new URL(url);
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
    const stranger = connect({ host: '127.0.0.1', port: Number(port) });
    stranger.write('SET key value\r\n');
    const [reply] = await once(stranger.setEncoding('utf8'), 'data');
    stranger.destroy();
    expect(reply).toMatch(/^-NOAUTH/);
  });

  test('a port that is taken is named in one line', async () => {
    const { server, port } = await takePort();
    await expect(beginRedis('redis-taken', port)).rejects.toThrow(
      new RegExp(`^port ${port} of 127.0.0.1 is taken, Redis cannot listen there: free it or name another$`),
    );
    server.close();
  });

  test('is gone once it has been stopped', async () => {
    const server = await beginRedis('redis-gone');
    await server.stop();
    await server.stop();
    const gone = await waitUntil({ deadlineMs: 2_000 }, async () =>
      (await identifyProcess(server.pid)) ? undefined : true,
    );
    expect(gone).toBe(true);
  });
});
