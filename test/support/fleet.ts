import { AssertionError } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { HistoryRecord } from '../../src/audit/history.ts';
import { loadConfig } from '../../src/config.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createLeasing } from '../../src/fleet/leasing.ts';
import type { LeaseOutcome, MachineState } from '../../src/fleet/lifecycle.ts';
import type { Lease, Pool } from '../../src/fleet/pool.ts';
import { LEASE_DEFAULTS } from '../../src/fleet/pool.ts';
import type { Log, WorkSettings } from '../../src/fleet/ports.ts';
import type { Verb } from '../../src/fleet/provider.ts';
import type { Machine, Store } from '../../src/fleet/store.ts';
import { composeWork, type ComposeDeps } from '../../src/main.ts';
import { PROVIDERS } from '../../src/providers/index.ts';
import type { MemoryOptions } from '../../src/providers/memory/placement.ts';
import type { QueueName } from '../../src/queues/catalogue.ts';
import { createPublisher } from '../../src/queues/publisher.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { aPool } from './pools.ts';
import { createTestDatabase, testRedis } from './services.ts';
import { createWatchedCloud, type Sighting, type WatchedCloud } from './watched-cloud.ts';

export interface FleetOptions {
  pools?: readonly Pool[];
  /** Faster than in production, so that tests see several rounds. */
  work?: Partial<WorkSettings>;
  stalls?: ComposeDeps['stalls'];
  memory?: MemoryOptions;
  replaySafe?: readonly Verb[];
  /** Worker processes to start at once; more can follow through `startWorker`. */
  workers?: readonly string[];
}

/** A fleet in this process: real PostgreSQL, real Redis, real workers; only the cloud is one in memory. */
export interface Fleet {
  storage: Storage;
  store: Store;
  cloud: WatchedCloud;
  redis: Redis;
  /** How BullMQ's own classes find our queues. */
  bullmq: { connection: Redis; prefix: string };
  queue(name: QueueName): Queue;
  /** Another worker process; `lines` are other ways to its servers. Stopped with the fleet. */
  startWorker(name: string, lines?: { databaseUrl?: string; redisUrl?: string }): Promise<void>;
  /** The addresses of the servers, for a line that can be cut. */
  urls: { databaseUrl: string; redisUrl: string };
  /** A statement of the test's own, beside every guard. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** A lease that has begun, and its machine. */
  leaseAMachine(pool?: string): Promise<{ lease: Lease; machine: Machine }>;
  endLease(lease: Lease, outcome?: LeaseOutcome): Promise<void>;
  /** Holds the row of a lease as another transaction would: whoever is to release its machine waits. */
  lockLease(lease: Lease): Promise<{ unlock(): Promise<void> }>;
  untilMachine(machine: string, state: MachineState): Promise<Machine>;
  untilJob(queue: QueueName, id: string, state: string): Promise<Job>;
  /** Asks until there is an answer; fails with `what` where there is none within the deadline. */
  until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T>;
  /** What FLUSHALL would do, to this fleet's keys alone. */
  emptyRedis(): Promise<void>;
  /** Everything the database and the cloud have logged, as the auditor reads it. */
  history(): Promise<HistoryRecord[]>;
  /** What the workers have logged, as JSON lines. */
  logged: readonly string[];
  stop(): Promise<void>;
}

const WORK: WorkSettings = {
  claimMs: 5000,
  windowMs: 5,
  reconcileMs: 250,
  sweepMs: 600_000,
  sweepGraceMs: 600_000,
  retentionMs: 600_000,
};
const STALLS = { lockMs: 5000, lookMs: 1000, most: 1000 } as const;
const DEADLINE_MS = 25_000;
const clock = { now: () => new Date() };

/** Starts a fleet with a database and a key prefix of its own. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const database = await createTestDatabase();
  const { url: redisUrl, prefix } = testRedis();
  const urls = { databaseUrl: database.url, redisUrl };
  const pool = new pg.Pool({ connectionString: database.url, max: 3 });
  pool.on('error', () => undefined);
  const sql: Fleet['sql'] = async (text, values) => (await pool.query(text, [...(values ?? [])])).rows;
  const storage = await createStorage({ url: database.url, connections: 4 });
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const bullmq = { connection: redis, prefix: `{${prefix}}` };
  const publisher = createPublisher(bullmq);
  const cloud = createWatchedCloud({ ...options, look: (instances) => sight(sql, instances) });
  const logged: string[] = [];
  const log = collectingLog(logged);
  const running: { stop(): Promise<void> }[] = [];
  const pools = options.pools ?? [aPool()];
  await storage.store.applyPools({ pools, now: clock.now() });
  const leasing = createLeasing({
    ...{ store: storage.store, clock, log, newId: randomUUID },
    jobs: { nudge: () => undefined, scale: publisher.scale },
    recall: (owner, idempotencyKey) => storage.views.leaseByKey({ owner, idempotencyKey }),
  });
  const base = await loadConfig({ env: {}, cwd: tmpdir(), providers: PROVIDERS });
  const work = { ...WORK, ...options.work };
  const fleet: Fleet = {
    ...{ storage, store: storage.store, cloud, redis, bullmq, urls, sql, logged },
    queue: (name) => publisher.queues.get(name) ?? missing(`queue ${name}`),
    async startWorker(name, lines = {}) {
      const config = { ...base, ...urls, ...lines, redisPrefix: prefix, work };
      const worker = await composeWork({
        ...{ config, log, clock, version: 'test', providers: [cloud.moduleFor(name)] },
        stalls: options.stalls ?? STALLS,
      });
      running.push(worker);
      await worker.start();
    },
    async leaseAMachine(pool = pools[0]?.name ?? missing('pool')) {
      const request = { owner: 'ann', selector: { pool }, idempotencyKey: null, ...LEASE_DEFAULTS };
      const asked = await leasing.request({ request, digest: '', by: 'test' });
      if (asked.kind !== 'created') throw new AssertionError({ message: `the request was ${asked.kind}` });
      const lease = await until('a lease that has begun', async () => {
        const seen = await storage.store.readLease(asked.lease.id);
        return seen?.state === 'active' ? seen : undefined;
      });
      return { lease, machine: await lookAt(lease.machine ?? missing('machine')) };
    },
    async endLease(lease, outcome = 'completed') {
      await leasing.end({ lease: lease.id, owner: null, outcome, by: 'test' });
    },
    lockLease: (lease) => lockRow(database.url, lease.id),
    untilMachine: (machine, state) =>
      until(`machine ${machine} to be ${state}`, async () => {
        const seen = await lookAt(machine);
        return seen.state === state ? seen : undefined;
      }),
    untilJob: (queue, id, state) =>
      until(`job ${id} to be ${state}`, async () => {
        if ((await fleet.queue(queue).getJobState(id)) !== state) return undefined;
        return (await fleet.queue(queue).getJob(id)) as Job | undefined;
      }),
    until,
    async emptyRedis() {
      await redis.eval(EMPTY, 0, `*${prefix}*`);
    },
    async history() {
      const records = (await Array.fromAsync(storage.history.records())) as unknown as HistoryRecord[];
      const limits = Object.fromEntries(pools.map((each) => [each.name, each.max]));
      const settings = { type: 'settings', reconcileRoundMs: work.reconcileMs * 20, limits } as const;
      return [settings, ...records, ...cloud.history()];
    },
    async stop() {
      await Promise.all(running.map((each) => each.stop()));
      await publisher.close();
      redis.disconnect();
      await storage.close();
      await pool.end();
      await database.drop();
    },
  };
  const lookAt = async (machine: string): Promise<Machine> =>
    (await storage.store.look(machine)) ?? missing(`machine ${machine}`);
  async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
    const answer = await waitUntil({ deadlineMs: DEADLINE_MS, everyMs: 10 }, probe);
    if (answer !== undefined) return answer;
    throw new AssertionError({ message: `waited in vain for ${what}\n${await describe(fleet)}` });
  }
  for (const name of options.workers ?? ['worker']) await fleet.startWorker(name);
  return fleet;
}

function missing(what: string): never {
  throw new AssertionError({ message: `there is no ${what}` });
}

/** All keys at once, as FLUSHALL does: no worker sees half of it. */
const EMPTY = `local keys = redis.call('keys', ARGV[1])
for i = 1, #keys, 1000 do redis.call('del', unpack(keys, i, math.min(i + 999, #keys))) end
return #keys`;

async function sight(sql: Fleet['sql'], instances: readonly string[]): Promise<readonly Sighting[]> {
  const rows = await sql(
    `select m.id as machine, m.state, (select count(*)::integer from lease l where l.machine_id = m.id
        and l.state in ('active', 'ending')) as holds
      from machine m where m.instance_id = any($1::text[])`,
    [instances],
  );
  return rows as unknown as Sighting[];
}

async function lockRow(url: string, lease: string): Promise<{ unlock(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('begin');
  await client.query('select from lease where id = $1 for update', [lease]);
  return {
    async unlock() {
      await client.query('rollback');
      await client.end();
    },
  };
}

function collectingLog(lines: string[]): Log {
  const write = (fields: Record<string, unknown>, message: string) => {
    const err = fields['err'] instanceof Error ? fields['err'].message : fields['err'];
    lines.push(JSON.stringify({ ...fields, err, message }));
  };
  return { info: write, warn: write, error: write };
}

/** What stands where, for whoever reads a failure. */
async function describe(fleet: Fleet): Promise<string> {
  const machines = await fleet.sql(
    `select id, state, intent_kind, intent_id, owed, token, claimed_until, batch_id, ring, failure from machine`,
  );
  const batches = await fleet.sql(
    `select id, verb, state, token, claimed_until, look_at, failure from batch`,
  );
  const outbox = await fleet.sql(`select kind, job, step, ring, tries from outbox`);
  const jobs = await Promise.all(
    (['stop', 'release', 'delete', 'provision', 'batch'] as const).map(async (name) => {
      const found = await fleet.queue(name).getJobs();
      return Promise.all(found.filter(Boolean).map(async (job) => `${job.id} ${await job.getState()}`));
    }),
  );
  return [
    ...machines.map((row) => JSON.stringify(row)),
    ...batches.map((row) => JSON.stringify(row)),
    ...outbox.map((row) => JSON.stringify(row)),
    ...jobs.flat(),
    ...fleet.logged.slice(-20),
  ].join('\n');
}
