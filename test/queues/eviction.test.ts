import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { composeServe, composeWork } from '../../src/main.ts';
import { createConnections } from '../../src/queues/connections.ts';
import { EvictionError, refuseEviction } from '../../src/queues/eviction.ts';
import { startOwnRedis, type OwnRedis } from '../support/own-redis.ts';
import { createTestDatabase, testRedis, type TestDatabase } from '../support/services.ts';

let dir: string;
let redis: OwnRedis;
let database: TestDatabase;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drover-eviction-'));
  const blind = 'user blind on >blindness ~* +@all -info -config';
  redis = await startOwnRedis({ dir, settings: ['maxmemory-policy allkeys-lru', blind] });
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.drop();
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

function collectingLog() {
  const warned: string[] = [];
  const warn = (_: unknown, message: string) => void warned.push(message);
  return { warned, log: { info: () => undefined, warn, error: warn } };
}

function connectTo(url: string) {
  const connections = createConnections({ url, onError: () => undefined });
  onTestFinished(() => connections.close());
  return connections.producer;
}

test.each([
  ['worker process', composeWork],
  ['API', composeServe],
])('a Redis that evicts keys keeps the %s from starting, with what to change', async (_what, compose) => {
  const config = await loadConfig({ env: { DROVER_HTTP_PORT: '0' }, cwd: dir, providers: [] });
  const { log } = collectingLog();
  const running = await compose({
    config: { ...config, databaseUrl: database.url, redisUrl: redis.url },
    ...{ log, clock: { now: () => new Date() }, version: 'test' },
  });
  onTestFinished(() => running.stop());
  await expect(running.start()).rejects.toThrow(EvictionError);
  await expect(running.start()).rejects.toThrow(/allkeys-lru.*"maxmemory-policy noeviction"/);
});

test('a Redis that keeps everything is let pass without a word', async () => {
  const { log, warned } = collectingLog();
  await refuseEviction({ connection: connectTo(testRedis().url), log });
  expect(warned).toEqual([]);
});

test.each([
  ['does not let its user ask', () => `redis://blind:blindness@${redis.address}`],
  ['is away', () => 'redis://127.0.0.1:1'],
])('a Redis that %s is let pass with a warning of what to check', async (_why, url) => {
  const { log, warned } = collectingLog();
  await refuseEviction({ connection: connectTo(url()), log });
  expect(warned).toEqual([
    expect.stringMatching(/could not ask Redis whether it evicts.*"maxmemory-policy noeviction"/),
  ]);
});
