import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type Database } from '../../src/storage/database.ts';
import { createListener } from '../../src/storage/listener.ts';
import { migrate } from '../../src/storage/migrate.ts';
import { createStorage } from '../../src/storage/storage.ts';
import { type OwnPgbouncer, startOwnPgbouncer } from '../support/own-pgbouncer.ts';
import { aPool } from '../support/pools.ts';
import { createTestDatabase, type TestDatabase } from '../support/services.ts';

const SIZE = 3;

let server: TestDatabase;
let pooler: OwnPgbouncer;
beforeAll(async () => {
  server = await createTestDatabase();
  pooler = await startOwnPgbouncer({ databaseUrl: server.url, size: SIZE });
}, 180_000);
afterAll(async () => {
  await pooler?.stop();
  await server?.drop();
});

const STATEMENT_TIMEOUT_MS = 5000;

function open(options: { url?: string; isPooled?: boolean } = {}): Database {
  const database = createDatabase({
    ...{ url: pooler.url, connections: 8, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
    ...options,
  });
  onTestFinished(() => database.close());
  return database;
}

/** What the session behind the next statement has been told. */
const TOLD = `select current_setting('statement_timeout') as statement,
  current_setting('idle_in_transaction_session_timeout') as idle,
  (select count(*)::integer from pg_prepared_statements) as prepared, pg_backend_pid() as pid`;

const NOTHING = { statement: '0', idle: '0', prepared: 0 };
const DEADLINES = { statement: '5s', idle: '5s' };

describe('behind a pooler in transaction mode', () => {
  test('statements with values run on whichever session is lent out, and leave nothing behind there', async () => {
    const database = open();
    const texts = Array.from({ length: 200 }, (_, index) => index % 7);
    const answers = await Promise.all(
      texts.map((kind) => database.query(`select $1::integer + ${kind} as sum, pg_sleep(0.001)`, [kind])),
    );
    expect(answers.map(([row]) => row?.['sum'])).toEqual(texts.map((kind) => 2 * kind));
    const told = await Promise.all(
      texts.map(() => database.query(`${TOLD} from pg_sleep(0.005)`).then(([row]) => row)),
    );
    for (const row of told) expect(row).toMatchObject(NOTHING);
    expect(new Set(told.map((row) => row?.['pid'])).size).toBe(SIZE);
  });

  test('a transaction has its deadlines, and only that transaction', async () => {
    const database = open();
    const [inside] = await database.transaction((sql) => sql.query(TOLD));
    expect(inside).toMatchObject({ ...DEADLINES, prepared: 0 });
    const after = await Promise.all(Array.from({ length: 20 }, () => database.query(TOLD)));
    for (const [row] of after) expect(row).toMatchObject(NOTHING);
  });

  test('a fleet is migrated, read and written over no more sessions than a migration needs', async () => {
    const empty = await createTestDatabase();
    onTestFinished(() => empty.drop());
    const client = new pg.Client({ connectionString: empty.url });
    await client.connect();
    await client.query(`drop schema public cascade; create schema public`);
    await client.end();
    const narrow = await startOwnPgbouncer({ databaseUrl: empty.url, size: 2 });
    onTestFinished(() => narrow.stop());
    await migrate(narrow.url);
    const storage = await createStorage({ url: narrow.url });
    onTestFinished(() => storage.close());
    await storage.store.applyPools({ pools: [aPool()], now: new Date() });
    expect((await storage.store.pools()).map(({ name }) => name)).toEqual(['guests']);
    const view = await storage.store.viewPool('guests');
    const added = await storage.store.provision({
      ...{ pool: aPool(), placement: 'here', count: 2, version: view?.version ?? -1 },
      ...{ reason: 'test', now: new Date(), by: 'test' },
    });
    expect(added).toHaveLength(2);
    expect(await storage.views.countByState()).toBeDefined();
  });

  test('nobody listens: it is said once, and no session is told to', async () => {
    const said: string[] = [];
    const listener = createListener({
      url: pooler.url,
      onError: (error) => said.push(String(error)),
      onDeaf: () => said.push('deaf'),
    });
    onTestFinished(() => listener.stop());
    listener.on('drover_outbox', () => said.push('heard'));
    await listener.start();
    expect(said).toEqual(['deaf']);
    const database = open();
    const channels = Array.from({ length: 20 }, () => database.query(`select pg_listening_channels()`));
    expect((await Promise.all(channels)).flat()).toEqual([]);
  });
});

describe('on a connection of its own', () => {
  test('a session has its deadlines, and keeps what it has prepared', async () => {
    const database = open({ url: server.url });
    await database.query('select $1::integer', [1]);
    expect(await database.query(TOLD)).toMatchObject([{ ...DEADLINES, prepared: 1 }]);
  });

  test('nothing is prepared where the address is known to lead to a pooler, whatever it looks like', async () => {
    const database = open({ url: server.url, isPooled: true });
    await database.query('select $1::integer', [1]);
    expect(await database.query(TOLD)).toMatchObject([NOTHING]);
    expect(await database.transaction((sql) => sql.query(TOLD))).toMatchObject([DEADLINES]);
  });
});
