import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { composeServe } from '../../src/main.ts';
import { documentedUser } from '../support/documented-user.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { type OwnRedis, startOwnRedis } from '../support/own-redis.ts';
import { aPool } from '../support/pools.ts';

const NODES = 3;
const SLOTS = 16_384;
const PASSWORD = 'the-password-of-this-cluster';

let dir: string;
let nodes: OwnRedis[] = [];
let lines: Redis[] = [];
let fleet: Fleet;
let redisUrl: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drover-cluster-'));
  nodes = await Promise.all(Array.from({ length: NODES }, (_, index) => startNode(index)));
  lines = nodes.map(({ port }) => new Redis({ port, password: PASSWORD }));
  await joinUp();
  // The third has to be found.
  redisUrl = `redis+cluster://drover:${PASSWORD}@${nodes[0]?.address},${nodes[1]?.address}`;
  fleet = await startFleet({ pools: [aPool(), aPool({ name: 'reused', recycle: 'reset' })], workers: [] });
  const user = await documentedUser(fleet.bullmq.prefix, PASSWORD);
  await Promise.all(lines.map((line) => line.call('ACL', ...user)));
  await fleet.startWorker('one', { redisUrl });
  await fleet.startWorker('two', { redisUrl });
}, 60_000);
afterAll(async () => {
  await fleet?.stop();
  for (const line of lines) line.disconnect();
  await Promise.all(nodes.map((node) => node.stop()));
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

test('on a cluster of three nodes machines are provisioned, leased, stopped, released, reset and deleted', async () => {
  const held = await Promise.all(
    ['guests', 'guests', 'guests', 'reused', 'reused'].map((pool) => fleet.leaseAMachine(pool)),
  );
  await Promise.all(held.map(({ lease }) => fleet.endLease(lease)));
  for (const { lease, machine } of held) {
    if (lease.pool === 'guests') await fleet.untilMachine(machine.id, 'deleted');
    await fleet.until(`lease ${lease.id} to be completed`, async () =>
      (await fleet.store.readLease(lease.id))?.state === 'completed' ? true : undefined,
    );
  }
  const again = await fleet.leaseAMachine('reused');
  expect(held.map(({ machine }) => machine.id)).toContain(again.machine.id);
  expect(fleet.cloud.calls('reset').length).toBeGreaterThan(0);
  expect(fleet.logged.filter((line) => /CROSSSLOT|a job failed/.test(line))).toEqual([]);
}, 60_000);

test('every key that an installation writes is in one slot, and the board shows its queues', async () => {
  const keys = (await Promise.all(lines.map((line) => line.keys('*')))).map((found) => found.toSorted());
  expect(keys.filter((found) => found.length > 0).length).toBe(1);
  const config = await loadConfig({ env: { DROVER_HTTP_PORT: '0' }, cwd: dir, providers: [] });
  const prefix = /^\{([^}]+)\}/.exec(keys.flat()[0] ?? '')?.[1] ?? '';
  expect(keys.flat().filter((key) => !key.startsWith(`{${prefix}}:`))).toEqual([]);
  const token = 'the-token-of-this-test-file';
  const serving = await composeServe({
    config: {
      ...{ ...config, ...fleet.urls, redisUrl, redisPrefix: prefix },
      tokens: [{ owner: 'ann', operator: true, sha256: await digest(token) }],
    },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...{ clock: { now: () => new Date() }, version: 'test' },
  });
  try {
    await serving.start();
    const headers = { authorization: `Bearer ${token}` };
    const board = await fetch(new URL('/queues/api/queues', serving.url), { headers });
    expect(board.status).toBe(200);
    const { queues } = (await board.json()) as { queues: { name: string; counts: { completed: number } }[] };
    expect(queues.find(({ name }) => name === 'delete')?.counts.completed).toBeGreaterThan(0);
    const ready = await fetch(new URL('/readyz', serving.url));
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, store: 'ok', redis: 'ok' }]);
  } finally {
    await serving.stop();
  }
  expect(await Promise.all(lines.map((line) => line.call('ACL', 'LOG')))).toEqual([[], [], []]);
});

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Buffer.from(bytes).toString('hex');
}

function startNode(index: number): Promise<OwnRedis> {
  return startOwnRedis({
    ...{ dir, name: `node-${index}` },
    settings: [
      ...['cluster-enabled yes', `cluster-config-file nodes-${index}.conf`, 'cluster-node-timeout 5000'],
      ...[`requirepass ${PASSWORD}`, `masterauth ${PASSWORD}`, 'maxmemory-policy noeviction'],
    ],
  });
}

/** Each gets a third of the slots and hears of the others; resolves once all agree. */
async function joinUp(): Promise<void> {
  const width = Math.ceil(SLOTS / NODES);
  for (const [index, line] of lines.entries()) {
    const [from, to] = [index * width, Math.min(SLOTS, (index + 1) * width)];
    await line.cluster('ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => from + slot));
    await line.config('SET', 'cluster-announce-ip', '127.0.0.1');
    for (const other of nodes) await line.cluster('MEET', '127.0.0.1', other.port);
  }
  const isWhole = await waitUntil({ deadlineMs: 30_000, everyMs: 50 }, async () => {
    const infos = await Promise.all(lines.map((line) => line.cluster('INFO')));
    const agree = infos.every((info) => /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info));
    return agree || undefined;
  });
  if (isWhole !== true) throw new Error('the nodes did not become a cluster');
}
