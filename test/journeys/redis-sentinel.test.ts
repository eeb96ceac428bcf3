import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { type OwnRedis, startOwnRedis } from '../support/own-redis.ts';
import { aPool } from '../support/pools.ts';

const PASSWORD = 'the-password-of-these-servers';
const SENTINEL_PASSWORD = 'the-password-of-the-sentinels';
const MASTER = 'mymaster';
/** What sentinels wait before they believe that a master is gone. */
const DOWN_AFTER_MS = 1000;
/** From the master's death to the last deleted machine: that wait, their vote, and one round of everything lost. */
const OVER_WITHIN_MS = 45_000;

let dir: string;
let servers: OwnRedis[] = [];
let sentinels: OwnRedis[] = [];
let fleet: Fleet;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drover-sentinel-'));
  const master = await startServer('master');
  servers = [master, ...(await Promise.all(['one', 'two'].map((name) => startServer(name, master))))];
  sentinels = await Promise.all([0, 1, 2].map((index) => startSentinel(index, master)));
  await untilWatched();
  fleet = await startFleet({ pools: [aPool({ max: 20 })], workers: [] });
  const hosts = sentinels.map(({ address }) => address).join(',');
  const redisUrl = `redis+sentinel://:${PASSWORD}@${hosts}/${MASTER}?sentinelPassword=${SENTINEL_PASSWORD}`;
  await fleet.startWorker('one', { redisUrl });
  await fleet.startWorker('two', { redisUrl });
}, 60_000);
afterAll(async () => {
  await fleet?.stop();
  await Promise.all([...sentinels, ...servers].map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

test('a master that dies in the middle of the work costs time alone: what it was at is done at its successor', async () => {
  const [dead] = servers;
  const held = await Promise.all(Array.from({ length: 10 }, () => fleet.leaseAMachine()));
  await Promise.all(held.slice(0, 5).map(({ lease }) => fleet.endLease(lease)));
  await fleet.until('a stop under way', async () =>
    fleet.cloud.calls('stop').length > 0 ? true : undefined,
  );
  await dead?.kill();
  const diedMs = performance.now();
  // What is asked for while nobody is master is asked for all the same.
  await Promise.all(held.slice(5).map(({ lease }) => fleet.endLease(lease)));
  expect(await countLeft()).toBeGreaterThan(0);
  const left = await waitUntil({ deadlineMs: OVER_WITHIN_MS, everyMs: 50 }, async () =>
    (await countLeft()) === 0 ? 0 : undefined,
  );
  expect(left ?? (await countLeft())).toBe(0);
  const seconds = (performance.now() - diedMs) / 1000;
  const successor = await askSentinel('get-master-addr-by-name');
  expect(servers.slice(1).map(({ port }) => String(port))).toContain(String(successor[1]));
  // A machine provisioned from beginning to end by the successor alone.
  await fleet.endLease((await fleet.leaseAMachine()).lease);
  expect(lawless(audit(await fleet.history()))).toEqual([]);
  expect(fleet.logged.join('\n')).not.toMatch(/the-password/);
  console.log(`everything was over ${seconds.toFixed(1)} s after the master had died`);
}, 120_000);

/** A Redis without a master cannot be rung: that owed steps had no job meanwhile (I6) is no fault of ours. */
function lawless(report: ReturnType<typeof audit>): string[] {
  return report.violations
    .filter(({ invariant }) => invariant !== 'I6')
    .map(({ invariant, message }) => `${invariant}: ${message}`);
}

async function countLeft(): Promise<number> {
  const rows = await fleet.sql(
    `select ((select count(*) from machine where state <> 'deleted')
      + (select count(*) from lease where state <> 'completed'))::integer as left`,
  );
  return Number(rows[0]?.['left']);
}

function startServer(name: string, master?: OwnRedis): Promise<OwnRedis> {
  const follows = master === undefined ? [] : [`replicaof 127.0.0.1 ${master.port}`];
  const access = [`requirepass ${PASSWORD}`, `masterauth ${PASSWORD}`];
  const settings = [...follows, ...access, 'maxmemory-policy noeviction', 'repl-diskless-sync-delay 0'];
  return startOwnRedis({ dir, name, settings: [...settings, `dbfilename ${name}.rdb`] });
}

function startSentinel(index: number, master: OwnRedis): Promise<OwnRedis> {
  const rules = [
    `monitor ${MASTER} 127.0.0.1 ${master.port} 2`,
    `auth-pass ${MASTER} ${PASSWORD}`,
    `down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}`,
    `failover-timeout ${MASTER} 5000`,
    `parallel-syncs ${MASTER} 2`,
    `sentinel-pass ${SENTINEL_PASSWORD}`,
  ].map((rule) => `sentinel ${rule}`);
  const settings = [`requirepass ${SENTINEL_PASSWORD}`, ...rules];
  return startOwnRedis({ dir, name: `sentinel-${index}`, isSentinel: true, settings });
}

/** Each sentinel knows the others and both replicas: only then can it replace the master. */
async function untilWatched(): Promise<void> {
  const lines = sentinels.map(({ port }) => new Redis({ port, password: SENTINEL_PASSWORD }));
  const isWatched = await waitUntil({ deadlineMs: 40_000, everyMs: 100 }, async () => {
    const known = await Promise.all(
      lines.map(async (line) => [
        (await counted(line, 'sentinels')) === 2,
        (await counted(line, 'replicas')) === 2,
      ]),
    );
    return known.flat().every(Boolean) || undefined;
  });
  for (const line of lines) line.disconnect();
  if (isWatched !== true) throw new Error('the sentinels did not find each other and the replicas');
}

async function counted(line: Redis, what: 'sentinels' | 'replicas'): Promise<number> {
  const found: unknown = await line.call('sentinel', what, MASTER);
  return Array.isArray(found) ? found.length : 0;
}

async function askSentinel(what: string): Promise<unknown[]> {
  const line = new Redis({ port: sentinels[0]?.port ?? 0, password: SENTINEL_PASSWORD });
  try {
    const found: unknown = await line.call('sentinel', what, MASTER);
    return Array.isArray(found) ? found : [];
  } finally {
    line.disconnect();
  }
}
