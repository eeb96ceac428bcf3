import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { loadConfig } from '../src/config.ts';
import { matchPool } from '../src/fleet/leasing.ts';
import { DEADLINES_DEFAULT, LEASE_DEFAULTS, type Pool } from '../src/fleet/pool.ts';
import type { Log } from '../src/fleet/ports.ts';
import { composeWork } from '../src/main.ts';
import { createStorage, type Storage } from '../src/storage/storage.ts';
import { ADDED_AT_ONCE, type Side } from './bare-chains.ts';
import type { BenchServers } from './benchmark.ts';
import { watchStepQueues } from './step-queues.ts';

const POOL = 'bench';
const DAY_MS = 24 * 60 * 60 * 1000;
const SEED_WITHIN_MS = 120_000;
const clock = { now: () => new Date() };

/**
 * A whole worker process as it is composed for real, over the cloud in memory: the chain of a lease that its user ends,
 * from there to the deleted machine. Nothing is switched off; the pool's halt does nothing, so that a chain has one
 * cloud call: the delete.
 */
export async function createFleetSide(on: BenchServers & { watcher: Redis }): Promise<Side> {
  const storage = await createStorage({ url: on.databaseUrl });
  const client = new pg.Client({ connectionString: on.databaseUrl });
  await client.connect();
  const complaints: string[] = [];
  const work = await composeWork({
    config: {
      ...(await defaults()),
      databaseUrl: on.databaseUrl,
      redisUrl: on.redisUrl,
      redisPrefix: on.prefix,
    },
    log: toLog(complaints),
    clock,
    version: 'bench',
  });
  await work.start();
  const queues = watchStepQueues(on.watcher, `{${on.prefix}}`);
  let leases: readonly string[] = [];
  return {
    async prepare(count) {
      leases = await leaseMachines(storage, count);
      await queues.untilQuiet();
    },
    async run() {
      for (let from = 0; from < leases.length; from += ADDED_AT_ONCE) {
        await Promise.all(leases.slice(from, from + ADDED_AT_ONCE).map((lease) => endLease(storage, lease)));
      }
      await queues.untilDone(async () => (await countLeft(client)) === 0);
      if (complaints.length > 0) throw new Error(`the fleet complained: ${complaints.join('; ')}`);
    },
    async close() {
      await queues.close();
      await work.stop();
      await client.end();
      await storage.close();
    },
  };
}

function defaults() {
  return loadConfig({ env: {}, cwd: import.meta.dirname, providers: [] });
}

/** A warning in a round means that something else than chains was measured. */
function toLog(complaints: string[]): Log {
  const complain = (fields: Record<string, unknown>, message: string): void => {
    complaints.push(`${message} ${fields['err'] instanceof Error ? fields['err'].message : ''}`);
  };
  return { info: () => undefined, warn: complain, error: complain };
}

/** Provisions that many machines and has each leased, the way that users have it done. */
async function leaseMachines({ store }: Storage, count: number): Promise<string[]> {
  const pool = makePool(count);
  await store.applyPools({ pools: [pool], now: clock.now() });
  const version = (await store.viewPool(POOL))?.version ?? 0;
  const wish = { pool, placement: 'memory', count, version, reason: 'benchmark', by: 'bench' };
  await store.provision({ ...wish, now: clock.now() });
  await untilReady({ store }, count);
  const leases = Array.from({ length: count }, () => uuidv7());
  await Promise.all(leases.map((id) => store.requestLease(toRequest(id))));
  const deadlineMs = performance.now() + SEED_WITHIN_MS;
  while ((await store.viewPool(POOL))?.pending !== 0) {
    if (performance.now() > deadlineMs) throw new Error('the seeded machines were not all leased');
    await matchPool({ store, clock }, { pool, by: 'bench' });
  }
  return leases;
}

async function untilReady({ store }: Pick<Storage, 'store'>, count: number): Promise<void> {
  const deadlineMs = performance.now() + SEED_WITHIN_MS;
  for (;;) {
    const ready = (await store.viewPool(POOL))?.resting.length ?? 0;
    if (ready >= count) return;
    if (performance.now() > deadlineMs) throw new Error(`only ${ready} of ${count} machines became ready`);
    await sleep(100);
  }
}

function makePool(max: number): Pool {
  const deadlines = DEADLINES_DEFAULT;
  const placements = [{ pool: POOL, name: 'memory', provider: 'memory', spec: {} }];
  return {
    ...{ name: POOL, platform: 'linux', arch: 'x64', tags: [], minIdle: 0, max, idleTimeoutMs: DAY_MS },
    ...{
      recycle: 'delete',
      halt: 'none',
      maxUses: null,
      maxMachineHoursPerDay: null,
      probe: { kind: 'none' },
      deadlines,
      placements,
    },
    ...{ owner: 'file', draining: false },
  };
}

function toRequest(id: string) {
  const clocks = { waitTimeoutMs: DAY_MS, heartbeatTimeoutMs: DAY_MS, maxDurationMs: DAY_MS };
  const asks = { owner: 'bench', selector: { pool: POOL }, idempotencyKey: null };
  const request = { ...LEASE_DEFAULTS, ...asks, ...clocks };
  return { id, request, pools: [POOL], now: clock.now(), digest: id };
}

async function endLease({ store }: Storage, lease: string): Promise<void> {
  const act = { lease, owner: 'bench', outcome: 'completed', reason: null, by: 'bench' } as const;
  const ended = await store.endLease({ ...act, now: clock.now() });
  if (ended === undefined) throw new Error(`lease ${lease} is not there to be ended`);
}

/** Machines that are not deleted and leases that are not completed: none once every chain has ended. */
async function countLeft(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ left: number }>(
    `select ((select count(*) from machine where state <> 'deleted')
      + (select count(*) from lease where state <> 'completed'))::integer as left`,
  );
  return rows[0]?.left ?? Number.NaN;
}
