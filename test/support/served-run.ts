import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { findPlaces, placeHints } from '../../src/embedded/places.ts';
import { startServers, type Servers } from '../../src/embedded/servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** One run's PostgreSQL, its template database and the names it may use: nothing else is touched. */
    servedRun: { databaseUrl: string; redisUrl: string; template: string; prefix: string };
  }
}

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const migratePath = fileURLToPath(new URL('../../src/storage/migrate.ts', import.meta.url));

/** Starts the servers once per run, or uses DATABASE_URL and REDIS_URL; resolves to what ends them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers({
    databaseUrl: process.env['DATABASE_URL'] || undefined,
    redisUrl: process.env['REDIS_URL'] || undefined,
    places: await findPlaces(placeHints(process.env, checkout)),
    persistent: false,
    onProgress: (line) => process.stderr.write(`drover: ${line}\n`),
  });
  const prefix = `drover_test_${randomBytes(4).toString('hex')}`;
  const run = { ...servers, prefix, template: `${prefix}_template` };
  try {
    await prepareTemplate(run);
  } catch (error) {
    await clear(run);
    throw error;
  }
  const { databaseUrl, redisUrl, template } = run;
  project.provide('servedRun', { databaseUrl, redisUrl, template, prefix });
  return () => clear(run);
}

interface ServedRun extends Servers {
  prefix: string;
  template: string;
}

/** Each test file gets a clone of this database, so the migrations run once. */
async function prepareTemplate({ databaseUrl, template }: ServedRun): Promise<void> {
  await withClient(databaseUrl, (client) => client.query(`create database ${template}`));
  if (!existsSync(migratePath)) return;
  const storage: unknown = await import(pathToFileURL(migratePath).href);
  if (!exportsMigrate(storage)) throw new Error(`${migratePath} exports no function migrate`);
  const url = new URL(databaseUrl);
  url.pathname = `/${template}`;
  await storage.migrate(url.href);
}

function exportsMigrate(value: unknown): value is { migrate: (databaseUrl: string) => Promise<void> } {
  return (
    typeof value === 'object' && value !== null && 'migrate' in value && typeof value.migrate === 'function'
  );
}

/** Servers of our own go with everything in them; others are left as they were found. */
async function clear(run: ServedRun): Promise<void> {
  try {
    if (process.env['DATABASE_URL']) await dropDatabases(run);
    if (process.env['REDIS_URL']) await removeKeys(run);
  } finally {
    await run.stop();
  }
}

async function dropDatabases({ databaseUrl, prefix }: ServedRun): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
  });
}

async function removeKeys({ redisUrl, prefix }: ServedRun): Promise<void> {
  const redis = new Redis(redisUrl);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      if (Array.isArray(keys) && keys.length > 0) await redis.unlink(keys);
    }
  } finally {
    redis.disconnect();
  }
}

async function withClient(url: string, act: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await act(client);
  } finally {
    await client.end();
  }
}
