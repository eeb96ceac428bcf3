import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { HELD_STATES, LEASE_NEXT, NEXT } from '../../src/fleet/lifecycle.ts';
import { migrate } from '../../src/storage/migrate.ts';
import { createTestDatabase } from '../support/services.ts';

async function openEmpty(): Promise<{ url: string; client: pg.Client }> {
  const database = await createTestDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await database.drop();
  });
  await client.query(`drop schema public cascade; create schema public`);
  return { url: database.url, client };
}

/** Every table, column, constraint, index, function and trigger, as PostgreSQL would write it. */
async function schemaOf(client: pg.Client): Promise<unknown> {
  const { rows } = await client.query(`
    select table_name || '.' || column_name as name, data_type || coalesce(' ' || generation_expression, '') as what
      from information_schema.columns where table_schema = 'public'
    union all select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
    union all select indexname, indexdef from pg_indexes where schemaname = 'public'
    union all select tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace
    order by 1, 2`);
  return rows;
}

test('a database is migrated twice as once', async () => {
  const { url, client } = await openEmpty();
  await migrate(url);
  const once = await schemaOf(client);
  await client.query(
    `insert into pool (name, spec, owner, recycle, max, created_at, updated_at) values ('guests', '{}', 'api', 'reset', 9, now(), now())`,
  );
  await migrate(url);
  expect(await schemaOf(client)).toEqual(once);
  expect((await client.query(`select name from pool`)).rows).toEqual([{ name: 'guests' }]);
  expect((await client.query(`select name from drover_migration`)).rows).toEqual([{ name: '0001-fleet' }]);
});

test('three processes that start together migrate it once', async () => {
  const { url, client } = await openEmpty();
  await Promise.all([migrate(url), migrate(url), migrate(url)]);
  expect((await client.query(`select name from drover_migration`)).rows).toEqual([{ name: '0001-fleet' }]);
});

test('a migration that fails leaves nothing half done', async () => {
  const { url, client } = await openEmpty();
  await client.query(`create table outbox (id integer)`);
  await expect(migrate(url)).rejects.toThrow('outbox');
  const { rows } = await client.query(
    `select tablename from pg_tables where schemaname = 'public' order by 1`,
  );
  expect(rows.filter(({ tablename }) => tablename !== 'drover_migration')).toEqual([{ tablename: 'outbox' }]);
  await client.query(`drop table outbox`);
  await migrate(url);
  expect((await client.query(`select count(*)::integer as pools from pool`)).rows).toEqual([{ pools: 0 }]);
});

test('the fences name exactly the moves of the lifecycle tables', async () => {
  const { url, client } = await openEmpty();
  await migrate(url);
  const { rows } = await client.query(
    `select tgname, pg_get_triggerdef(oid) as text from pg_trigger where tgname in ('machine_moves', 'lease_moves') order by 1`,
  );
  const moves = (table: Record<string, readonly string[]>) =>
    Object.entries(table)
      .flatMap(([from, tos]) => tos.map((to) => `${from} ${to}`))
      .toSorted();
  const written = (text: string) =>
    [...text.matchAll(/'(\w+)\/(\w+)'::text/g)].map(([, from, to]) => `${from} ${to}`).toSorted();
  expect(rows.map((row) => written(row.text))).toEqual([moves(LEASE_NEXT), moves(NEXT)]);
  const { rows: slots } = await client.query(
    `select generation_expression as text from information_schema.columns where table_name = 'machine' and column_name = 'slot'`,
  );
  const held = [...String(slots[0]?.text).matchAll(/'(\w+)'/g)].map(([, state]) => state);
  expect(held).toEqual([...HELD_STATES]);
});
