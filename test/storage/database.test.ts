import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createDatabase, type Database } from '../../src/storage/database.ts';
import { createStorage } from '../../src/storage/storage.ts';
import { createBreakableLine, type BreakableLine } from '../http/breakable-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/services.ts';

let server: TestDatabase;
beforeAll(async () => {
  server = await createTestDatabase();
});
afterAll(() => server.drop());

function open(options: { url?: string; connections?: number; statementTimeoutMs?: number } = {}): Database {
  const database = createDatabase({ url: server.url, connections: 2, statementTimeoutMs: 5000, ...options });
  onTestFinished(() => database.close());
  return database;
}

async function openOverLine(): Promise<BreakableLine> {
  const line = await createBreakableLine(server.url);
  onTestFinished(() => line.close());
  return line;
}

async function failureOf(work: Promise<unknown>): Promise<FleetError> {
  const outcome = await work.then(
    () => 'it was answered',
    (error: unknown) => error,
  );
  if (outcome instanceof FleetError) return outcome;
  throw new Error(`not a FleetError: ${String(outcome)}`);
}

const AWAY = { code: 'unavailable', remedy: 'retry-later' };

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

describe('what PostgreSQL answers', () => {
  test('is a refusal where a constraint says no, with its SQLSTATE', async () => {
    const failure = await failureOf(open().query(`insert into pool (name) values ('guests')`));
    expect(failure).toMatchObject({ code: 'refused', remedy: 'give-up', vendorCode: '23502' });
  });

  test.each([
    [`select nothing_of_that_name`, '42703'],
    [`select 'one'::uuid`, '22P02'],
    [`do $$ begin raise exception 'no'; end $$`, 'P0001'],
  ])('is a mistake of ours that no waiting mends where it is one: %s', async (statement, vendorCode) => {
    expect(await failureOf(open().query(statement))).toMatchObject({
      code: 'internal',
      remedy: 'give-up',
      vendorCode,
    });
  });

  test('is away for now where a statement takes longer than it may', async () => {
    const began = performance.now();
    const failure = await failureOf(open({ statementTimeoutMs: 100 }).query(`select pg_sleep(20)`));
    expect(failure).toMatchObject({ ...AWAY, vendorCode: '57014' });
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test('counts and tokens are numbers, instants are dates', async () => {
    const [row] = await open().query(`select 7::bigint as token, '2030-01-01T00:00:00Z'::timestamptz as at`);
    expect(row).toEqual({ token: 7, at: new Date('2030-01-01T00:00:00Z') });
  });
});

describe('a transaction', () => {
  test('leaves nothing behind when its work throws, and its connection serves the next', async () => {
    const database = open({ connections: 1 });
    await database.query(`create table note (text text)`);
    const failed = database.transaction(async (sql) => {
      await sql.query(`insert into note values ('one')`);
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    await database.transaction((sql) => sql.query(`insert into note values ('two')`));
    expect(await database.query(`select text from note`)).toEqual([{ text: 'two' }]);
  });

  test('whose connection is ended under it fails alone, and the process lives', async () => {
    const database = open({ connections: 1 });
    const failure = failureOf(
      database.transaction(async (sql) => {
        await sql.query(`select pg_terminate_backend(pg_backend_pid())`);
      }),
    );
    expect(await failure).toMatchObject(AWAY);
    expect(await database.query(`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test('whose connection is ended between two statements fails alone, and the process lives', async () => {
    const [database, other] = [open({ connections: 1 }), open({ connections: 1 })];
    const failure = failureOf(
      database.transaction(async (sql) => {
        const [row] = await sql.query(`select pg_backend_pid() as pid`);
        await other.query(`select pg_terminate_backend($1, 5000)`, [row?.['pid']]);
        await sql.query(`select 1`);
      }),
    );
    expect(await failure).toMatchObject(AWAY);
    expect(await database.query(`select 1 as one`)).toEqual([{ one: 1 }]);
  });
});

describe('while PostgreSQL is away', () => {
  test('a refused connection says so, and what to expect', async () => {
    const url = `postgres://someone@127.0.0.1:${await freePort()}/none`;
    const failure = await failureOf(open({ url }).query(`select 1`));
    expect(failure).toMatchObject({ ...AWAY, vendorCode: 'ECONNREFUSED' });
    expect(failure.message).toContain('trying again until it is back');
    expect(await failureOf(open({ url }).transaction((sql) => sql.query(`select 1`)))).toMatchObject(AWAY);
  });

  test('a line that is cut fails what is under way and serves again once mended', async () => {
    const line = await openOverLine();
    const database = open({ url: line.url });
    await database.query(`select 1`);
    const waiting = failureOf(database.query(`select pg_sleep(20)`));
    line.cut();
    expect(await waiting).toMatchObject(AWAY);
    expect(await failureOf(database.query(`select 1`))).toMatchObject(AWAY);
    line.mend();
    expect(await database.query(`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test('a line that falls silent holds up no statement and no transaction for ever', async () => {
    const line = await openOverLine();
    const database = open({ url: line.url, statementTimeoutMs: 200 });
    await database.query(`select 1`);
    const failure = failureOf(
      database.transaction(async (sql) => {
        await sql.query(`select 1`);
        line.freeze();
        await sql.query(`select 1`);
      }),
    );
    expect(await failure).toMatchObject(AWAY);
    expect(await failureOf(database.query(`select 1`))).toMatchObject(AWAY);
    line.mend();
    expect(await database.query(`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test('a silent line holds up none of what the unit of work reads either', async () => {
    const line = await openOverLine();
    const storage = await createStorage({ url: line.url, statementTimeoutMs: 200 });
    onTestFinished(() => storage.close());
    expect(await storage.store.pools()).toEqual([]);
    line.freeze();
    expect(await failureOf(storage.store.pool('guests'))).toMatchObject(AWAY);
    expect(await failureOf(storage.views.countByState())).toMatchObject(AWAY);
    expect(await failureOf(storage.ping())).toMatchObject(AWAY);
    line.mend();
    // The first to use a broken connection learns of it.
    const pools = await waitUntil({ deadlineMs: 5000 }, () => storage.store.pools().catch(() => undefined));
    expect(pools).toEqual([]);
  });

  test('every cold read and write says that it is away', async () => {
    const line = await openOverLine();
    const storage = await createStorage({ url: line.url });
    onTestFinished(() => storage.close());
    line.cut();
    const now = new Date();
    const page = { limit: 1, after: null, state: null, pool: null, setAside: null };
    for (const ask of [
      () => storage.store.pools(),
      () => storage.store.pool('guests'),
      () => storage.store.applyPools({ pools: [], now }),
      () => storage.views.listMachines(page),
      () => storage.views.listLeases({ ...page, owner: null }),
      () => storage.views.machineTimeline({ machine: '00000000-0000-4000-8000-000000000000', limit: 1 }),
      () => storage.views.leaseByKey({ owner: 'ann', idempotencyKey: 'once' }),
      () => storage.views.countByState(),
    ]) {
      expect(await failureOf(ask())).toMatchObject(AWAY);
    }
  });
});
