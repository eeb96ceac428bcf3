import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import type { AckRecord } from '../../src/audit/history.ts';
import { startFleet } from '../support/fleet.ts';
import { type OwnPgbouncer, startOwnPgbouncer } from '../support/own-pgbouncer.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts';
import { type EmulatedFleet, startEmulatedFleet } from './emulated-fleet.ts';

const LEASES = 40;
const WORKERS = 2;
/** Fewer than those who share them: an API and two workers hold up to 14 connections each. */
const SIZE = 4;
const AWAY_MS = 1500;

let postgres: OwnPostgres;
let pooler: OwnPgbouncer;
let fleet: EmulatedFleet;
beforeAll(async () => {
  postgres = await startOwnPostgres();
  pooler = await startOwnPgbouncer({ databaseUrl: postgres.url, size: SIZE });
  fleet = await startEmulatedFleet({
    ...{ speed: 200, seed: 11, workers: WORKERS },
    servers: {
      databaseUrl: postgres.url,
      variables: { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: postgres.url },
    },
    pools: async ({ aws, azure }) => [aws, azure],
  });
}, 240_000);
afterAll(async () => {
  await fleet?.stop();
  await pooler?.stop();
  await postgres?.stop();
});

test('behind a pooler in transaction mode every lease completes, although pooler and server are restarted meanwhile', async () => {
  const acks: AckRecord[] = [];
  const done: string[] = [];
  const played = Promise.all(
    Array.from({ length: LEASES }, async (_, index) => {
      done.push(await play(index % 2 === 0 ? 'aws-detonation' : 'azure-ci', acks));
    }),
  );
  await untilDone(done, LEASES / 10);
  await expectSessions();
  await pooler.kill();
  await pause(AWAY_MS);
  await pooler.start();
  await untilDone(done, LEASES / 4);
  await postgres.kill();
  await pause(AWAY_MS);
  await postgres.start();
  await untilDone(done, LEASES / 2);
  await postgres.halt();
  await postgres.start();
  await played;
  expect(done).toHaveLength(LEASES);
  await expectSessions();
  const states = await fleet.shrink();
  const troubles = (await fleet.troubles()).join('\n');
  expect(troubles).not.toMatch(
    /prepared statement|startup parameter|leads to a connection pooler|"internal"/,
  );
  const history = await fleet.history(acks);
  const report = audit(history);
  expect(report.violations.map(({ invariant, message }) => `${invariant}: ${message}`)).toEqual([]);
  for (const id of ['I1', 'I2', 'I3', 'I7', 'I10'] as const) expect(report.checked[id]).toBeGreaterThan(0);
  for (const { launched, deleted } of Object.values(states)) expect(deleted).toBe(launched);
}, 240_000);

test('without an address past it nobody listens, which is said, and what is waited for is found by looking', async () => {
  const small = await startFleet({ workers: [] });
  onTestFinished(() => small.stop());
  const narrow = await startOwnPgbouncer({ databaseUrl: small.urls.databaseUrl, size: 3 });
  onTestFinished(() => narrow.stop());
  await small.startWorker('one', { databaseUrl: narrow.url });
  const { lease, machine } = await small.leaseAMachine();
  await narrow.kill();
  await narrow.start();
  await small.endLease(lease);
  await small.untilMachine(machine.id, 'deleted');
  expect(
    small.logged.filter((line) => line.includes('DATABASE_URL leads to a connection pooler')),
  ).toHaveLength(1);
  const listening = await small.sql(
    `select count(*)::integer as count from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
  );
  expect(listening).toEqual([{ count: 0 }]);
}, 120_000);

/** One task: asks, holds, completes. The client asks again for as long as nobody answers. */
async function play(pool: string, acks: AckRecord[]): Promise<string> {
  const asked = await fleet.client.requestLease({ pool });
  const lease = await fleet.client.waitForLease(asked.id, { timeoutMs: 60_000 });
  acks.push({ type: 'ack', at: Date.now(), lease: lease.id, state: lease.state });
  expect(lease.state).toBe('active');
  await pause(100);
  const told = await fleet.client.complete(lease.id, 'completed');
  acks.push({ type: 'ack', at: Date.now(), lease: lease.id, state: told.state });
  await fleet.until(`lease ${lease.id} to be completed`, async () =>
    (await fleet.client.lease(lease.id)).state === 'completed' ? true : undefined,
  );
  return lease.id;
}

async function untilDone(done: readonly string[], count: number): Promise<void> {
  await fleet.until(`${count} leases to be over`, async () => (done.length >= count ? true : undefined));
}

/** Each process listens past the pooler; everything else that they do shares the pooler's few sessions. */
async function expectSessions(): Promise<void> {
  const [row] = await fleet.sql(
    `select count(*) filter (where query ilike 'listen%')::integer as listening,
      count(*) filter (where query not ilike 'listen%')::integer as pooled
    from pg_stat_activity where datname = current_database() and application_name <> 'test'`,
  );
  const { listening, pooled } = row as { listening: number; pooled: number };
  expect(listening).toBe(WORKERS + 1);
  expect(pooled).toBeGreaterThan(0);
  expect(pooled).toBeLessThanOrEqual(SIZE);
}
