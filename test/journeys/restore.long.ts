import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import type { Lease } from '../../src/client/shapes.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts';
import { type EmulatedFleet, startEmulatedFleet } from './emulated-fleet.ts';

const POOLS = ['aws-detonation', 'azure-ci'] as const;
const SWEEP_MS = 1000;
/** From here on the database takes itself for one that may have been restored: ten sweeps, and the one under way. */
const OLD_MS = 11 * SWEEP_MS;

let postgres: OwnPostgres | undefined;
let fleet: EmulatedFleet | undefined;
afterEach(async () => {
  await fleet?.stop();
  await postgres?.stop();
});

test.each([
  { redis: 'kept', empty: false },
  { redis: 'emptied', empty: true },
])(
  'an older database, with Redis $redis: the first sweep ends nothing, then clouds and database agree again and no lease is stuck',
  async ({ empty }) => {
    const { server, on } = await start();
    // Beside what rests, something of everything is under way when the copy is made.
    const [returning, forgotten, finished] = await Promise.all([
      lease(on, 'aws-detonation'),
      lease(on, 'azure-ci', 10),
      lease(on, 'azure-ci'),
    ]);
    const ending = await lease(on, 'aws-detonation');
    const waiting = await Promise.all(POOLS.map((pool) => on.client.requestLease({ pool })));
    await on.client.complete(ending.id, 'completed');
    await untilSwept(on);
    await server.halt();
    await server.backUp();
    await server.start();
    const unknown = await goOn(on, { finished, waiting });
    const before = await on.clouds();

    await on.halt();
    await server.halt();
    await server.restore();
    await server.start();
    if (empty) await emptyRedis(on);
    const restoredAt = new Date();
    await on.resume();

    await expectReports(on, restoredAt);
    for (const { id } of unknown)
      await expect(on.client.heartbeat(id)).rejects.toMatchObject({ code: 'no_such_lease' });
    // Whoever still holds a lease of the copy goes on with it; whoever does not come back loses it.
    expect((await on.client.complete(returning.id, 'completed')).state).toBe('ending');
    await ended(on, [returning, ending], 'completed');
    await ended(on, [forgotten], 'expired');
    for (const { id } of [...waiting, finished]) await settle(on, id);
    // New work is served as ever.
    for (const pool of POOLS) {
      const fresh = await lease(on, pool);
      await on.client.complete(fresh.id, 'completed');
      await ended(on, [fresh], 'completed');
    }
    const healed = await expectHealed(on, restoredAt);
    const after = await on.shrink();
    for (const cloud of ['aws', 'azure'] as const) {
      expect(before[cloud].alive.length).toBeGreaterThan(0);
      expect(after[cloud]).toMatchObject({ alive: [], deleted: after[cloud].launched });
      expect(after[cloud].resources).toEqual({ disks: [], networkCards: [], addresses: [] });
    }
    expect(await left(on)).toEqual({ leases: 0, intents: 0, batches: 0, instances: 0 });
    console.log(
      `${healed.strays} instances that the copy did not know, ${healed.lost} machines that were gone`,
    );
  },
  240_000,
);

async function start(): Promise<{ server: OwnPostgres; on: EmulatedFleet }> {
  const server = (postgres = await startOwnPostgres());
  const on = (fleet = await startEmulatedFleet({
    ...{ speed: 200, seed: 5, workers: 2 },
    servers: { databaseUrl: server.url, variables: { DATABASE_URL: server.url } },
    work: { reconcile: '250ms', sweep: `${SWEEP_MS}ms`, sweepGrace: '1s' },
    pools: async ({ aws, azure }) => [aws, azure].map(keepsSome),
  }));
  return { server, on };
}

/** Idle machines stay, so that there are some whose end the copy knows nothing of. */
function keepsSome(pool: Pool): Pool {
  return { ...pool, minIdle: 2, max: 20 };
}

async function lease(on: EmulatedFleet, pool: string, heartbeatTimeoutSeconds = 120): Promise<Lease> {
  const asked = await on.client.requestLease({ pool, heartbeatTimeoutSeconds });
  const held = await on.client.waitForLease(asked.id, { timeoutMs: 60_000 });
  expect(held.state).toBe('active');
  return held;
}

/** Machines are added, leased, reset and deleted until the copy is an old one; answers leases it knows nothing of. */
async function goOn(
  on: EmulatedFleet,
  { finished, waiting }: { finished: Lease; waiting: readonly Lease[] },
): Promise<Lease[]> {
  const copiedAt = Date.now();
  await on.client.complete(finished.id, 'completed');
  for (const { id } of waiting) {
    await on.client.waitForLease(id, { timeoutMs: 60_000 });
    await on.client.complete(id, 'completed');
  }
  const held = await Promise.all(POOLS.map((pool) => lease(on, pool)));
  for (const pool of POOLS) {
    const used = await lease(on, pool);
    await on.client.complete(used.id, 'completed');
    await ended(on, [used], 'completed');
  }
  await on.until('the copy to be an old one', async () =>
    Date.now() - copiedAt > OLD_MS ? true : undefined,
  );
  return held;
}

/** Each placement has been: the copy is to know when. */
async function untilSwept(on: EmulatedFleet): Promise<void> {
  await on.until('a sweep of each placement', async () => {
    const rows = await on.sql(`select from sweep where listed_at is not null`);
    return rows.length === POOLS.length ? true : undefined;
  });
}

async function emptyRedis({ config }: EmulatedFleet): Promise<void> {
  const redis = new Redis(config.redisUrl);
  try {
    const keys = await redis.keys(`{${config.redisPrefix}}:*`);
    expect(keys.length).toBeGreaterThan(0);
    await redis.del(...keys);
  } finally {
    redis.disconnect();
  }
}

/** The first sweep of each placement finds what has come and gone since, and leaves it as it is. */
async function expectReports(on: EmulatedFleet, since: Date): Promise<void> {
  const reports = await on.until('a report on each placement', async () => {
    const rows = await on.sql(`select * from audit where what = 'sweep-reported' and at > $1`, [since]);
    return rows.length >= POOLS.length ? rows : undefined;
  });
  expect(reports).toHaveLength(POOLS.length);
  for (const report of reports)
    expect(JSON.stringify(report['detail'])).toContain('the last sweep that the database knows of');
}

/** What differed was mended in both directions, by sweeps, and by none before the second. */
async function expectHealed(on: EmulatedFleet, since: Date): Promise<{ strays: number; lost: number }> {
  return on.until('sweeps to have mended both directions', async () => {
    const [row] = await on.sql(MENDED, [since]);
    const { strays, lost, early } = row as Record<'strays' | 'lost' | 'early', number>;
    expect(early).toBe(0);
    return strays > 0 && lost > 0 ? { strays, lost } : undefined;
  });
}

const MENDED = `select count(*) filter (where i.reason = 'seen in the cloud, owned by nobody')::integer as strays,
    count(*) filter (where i.reason = 'its instance is gone')::integer as lost,
    count(*) filter (where i.opened_at <= r.at)::integer as early
  from intent i join machine m on m.id = i.machine_id
    join audit r on r.what = 'sweep-reported' and r.at > $1 and r.detail ->> 'pool' = m.pool
  where i.opened_at > $1 and i.reason in ('seen in the cloud, owned by nobody', 'its instance is gone')`;

async function ended(on: EmulatedFleet, leases: readonly Lease[], state: Lease['state']): Promise<void> {
  for (const { id } of leases)
    await on.until(`lease ${id} to be ${state}`, async () =>
      (await on.client.lease(id)).state === state ? true : undefined,
    );
}

/** The copy has it as it was: whoever asked for it may use it, and it ends like any other. */
async function settle(on: EmulatedFleet, id: string): Promise<void> {
  await on.until(`lease ${id} to end`, async () => {
    const { state } = await on.client.lease(id);
    if (state === 'active')
      await on.client.complete(id, 'completed').catch((error: unknown) => {
        if (!(error instanceof ClientError) || error.status !== 409) throw error;
      });
    return ['completed', 'lost', 'expired', 'failed'].includes(state) ? true : undefined;
  });
}

async function left(on: EmulatedFleet): Promise<Record<string, unknown>> {
  const [row = {}] = await on.sql(
    `select (select count(*)::integer from lease where state in ('pending', 'active', 'ending')) as leases,
      (select count(*)::integer from intent where closed_at is null) as intents,
      (select count(*)::integer from batch where ended_at is null) as batches,
      (select count(*)::integer from instance where gone_at is null) as instances`,
  );
  return row;
}
