import { appRoutes } from '@bull-board/api/dist/routes.js';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBoard } from '../../src/http/board.ts';
import { testRedis } from '../support/services.ts';
import { startFleet, type Fleet } from './fleet-server.ts';

const { url, prefix } = testRedis();
let redis: Redis;
let queue: Queue;
let fleet: Fleet;

beforeAll(async () => {
  redis = new Redis(url, { maxRetriesPerRequest: null });
  queue = new Queue('delete', { connection: redis, prefix });
  await failOneJob();
  await queue.add('delete', { machine: 'm-2' }, { jobId: 'waiting-one' });
  await queue.add('delete', { machine: 'm-3' }, { jobId: 'delayed-one', delay: 3_600_000 });
  await queue.upsertJobScheduler('tick', { every: 3_600_000 }, { name: 'delete' });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  fleet = await startFleet({ board: createBoard({ queues: [queue], log }) });
});
afterAll(async () => {
  await fleet.close();
  await queue.close();
  redis.disconnect();
});

async function failOneJob(): Promise<void> {
  await queue.add('delete', { machine: 'm-1' }, { jobId: 'failed-one' });
  const refuse = async () => {
    throw new Error('the release has not succeeded');
  };
  const worker = new Worker('delete', refuse, { connection: redis.duplicate(), prefix });
  await new Promise((resolve) => worker.once('failed', resolve));
  await worker.close();
}

/** Everything in this queue's part of Redis, byte for byte. */
async function snapshot(): Promise<Record<string, string | undefined>> {
  const keys = (await redis.keys(`${prefix}:*`)).toSorted();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  return Object.fromEntries(keys.map((key, at) => [key, dumps[at]?.toString('hex')]));
}

const writing = appRoutes.api
  .flatMap(({ method, route }) =>
    [method].flat().flatMap((each) => [route].flat().map((path) => [each, path])),
  )
  .filter(([method]) => method !== 'get')
  .flatMap(([method = '', path = '']) =>
    (path.includes(':jobId') ? ['failed-one', 'waiting-one', 'delayed-one'] : ['']).map((job) => [
      method.toUpperCase(),
      path
        .replace(':queueName', 'delete')
        .replace(':jobId', job)
        .replace(':queueStatus', 'failed')
        .replace(':schedulerId', 'tick'),
    ]),
  );

test('Bull Board has as many ways to write as this test knows', () => {
  const paths = writing.map(([, path = '']) => path).join(' ');
  for (const act of [
    'retry',
    'promote',
    'clean',
    'add',
    'obliterate',
    'empty',
    'pause',
    'remove',
    'update-data',
  ]) {
    expect(paths).toContain(act);
  }
});

test.each(writing)('%s %s is refused and changes nothing', async (method = '', path = '') => {
  const before = await snapshot();
  expect(Object.keys(before).length).toBeGreaterThan(5);
  const reply = await fleet.send('operator', `${method} /queues${path}`, {
    body: { force: true, name: 'x' },
  });
  expect([reply.status, reply.body.error.code]).toEqual([405, 'read_only']);
  expect(await snapshot()).toEqual(before);
});

test('the board shows its queues and jobs to whoever has a token', async () => {
  const { body } = await fleet.send('ann', 'GET /queues/api/queues?activeQueue=delete&status=failed');
  const [shown] = body.queues;
  expect(shown).toMatchObject({ name: 'delete', readOnlyMode: true, allowRetries: false });
  expect(shown.counts).toMatchObject({ failed: 1, delayed: 1, waiting: 2 });
  const job = await fleet.send('ann', 'GET /queues/api/queues/delete/failed-one');
  expect(job.body.job.failedReason).toBe('the release has not succeeded');
});

test('nothing of the board is shown without a token', async () => {
  for (const path of ['', '/', '/api/queues', '/queue/delete', '/static/favicon-32x32.png']) {
    expect((await fleet.send(null, `GET /queues${path}`)).status).toBe(401);
  }
  const page = await fleet.send(null, 'GET /queues', { headers: { accept: 'text/html' } });
  expect(page.headers.get('location')).toBe('/login');
});

test('its page loads its files from here and may load none from elsewhere', async () => {
  const page = await fleet.send('ann', 'GET /queues');
  expect(page.status).toBe(200);
  expect(page.body).toContain('<base href="/queues/"');
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain('http');
  const [, script] = /<script defer src="([^"]+)"/.exec(page.body) ?? [];
  const file = await fleet.send('ann', `GET /queues/${script}`);
  expect([file.status, file.headers.get('content-type')]).toEqual([
    200,
    expect.stringContaining('javascript'),
  ]);
});
