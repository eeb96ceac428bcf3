import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createTestDatabase, type TestDatabase } from '../support/services.ts';
import { type CheckoutCopy, copyCheckout } from './checkout-copy.ts';
import { expectSuccess } from './expect-success.ts';
import { expectWholeReport } from './expect-whole-report.ts';
import { startOwnRedis, type OwnRedis } from '../support/own-redis.ts';

let dir: string;
let checkout: CheckoutCopy;
let redis: OwnRedis;
let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drover-flushall-'));
  // One that nobody else keeps anything in: FLUSHALL spares none.
  redis = await startOwnRedis({ dir });
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  checkout = await copyCheckout();
});
afterAll(async () => {
  await checkout?.remove();
  await client?.end();
  await database?.drop();
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Converged is when nothing is left of what was under way: no intent that was open then, no lease that was ending. */
const CONVERGED_WITHIN_MS = 60_000;

/** Enough that every queue has work, and that most is still to come. */
const IN_THE_MIDDLE = / ([4-9]\d|1\d\d) done/;

test('Redis emptied in the middle of the burst costs no lease: what was under way is over within a minute, and so is the rest after the burst', async () => {
  const file = join(checkout.dir, 'report.json');
  const run = checkout.start(['node', 'scripts/launch.mjs', 'start', '--once', '--report', file], {
    ...{ REDIS_URL: redis.url, DATABASE_URL: database.url },
    ...{ DROVER_INSTALLATION: 'flushall', DROVER_HTTP_PORT: '0' },
  });
  await run.until(IN_THE_MIDDLE);
  const lost = await emptyRedis();
  const emptiedMs = performance.now();
  const owed = await findUnderWay();
  expect(lost).toBeGreaterThan(100);
  expect(owed.intents.length).toBeGreaterThan(10);
  const left = await waitUntil({ deadlineMs: CONVERGED_WITHIN_MS, everyMs: 100 }, async () =>
    (await countLeft(owed)) === 0 ? 0 : undefined,
  );
  expect(left ?? (await countLeft(owed))).toBe(0);
  const convergedSeconds = (performance.now() - emptiedMs) / 1000;
  await run.until('burst over');
  const overMs = performance.now();
  await expectSuccess(run);
  // No chain of the burst is left behind either: the pools shrink as fast as they do undisturbed.
  expect(performance.now() - overMs).toBeLessThan(CONVERGED_WITHIN_MS);
  const { seconds } = await expectWholeReport(file);
  expect(await checkout.left()).toEqual([]);
  console.log(
    `${lost} keys lost with ${owed.intents.length} intents open and ${owed.leases.length} leases ending, ` +
      `which were over after ${convergedSeconds.toFixed(1)} s; burst and audit ${seconds} s`,
  );
}, 420_000);

/** Answers how many keys there were. */
async function emptyRedis(): Promise<number> {
  const line = new Redis(redis.url);
  try {
    const size = await line.dbsize();
    await line.flushall();
    return size;
  } finally {
    line.disconnect();
  }
}

interface UnderWay {
  intents: string[];
  leases: string[];
}

async function findUnderWay(): Promise<UnderWay> {
  const ids = async (text: string) => (await client.query<{ id: string }>(text)).rows.map(({ id }) => id);
  return {
    intents: await ids(`select id from intent where closed_at is null`),
    leases: await ids(`select id from lease where state = 'ending'`),
  };
}

async function countLeft({ intents, leases }: UnderWay): Promise<number> {
  const { rows } = await client.query<{ left: number }>(
    `select ((select count(*) from intent where id = any($1) and closed_at is null)
      + (select count(*) from lease where id = any($2) and state = 'ending'))::integer as left`,
    [intents, leases],
  );
  return rows[0]?.left ?? Number.NaN;
}
