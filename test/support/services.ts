import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  url: string;
  /** Drops it, cutting off whoever is still connected. */
  drop(): Promise<void>;
}

/** A fresh database with the schema in it, for one test file (or one test) alone. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { databaseUrl, template, prefix } = servedRun();
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await query(databaseUrl, `create database ${name} template ${template}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => query(databaseUrl, `drop database if exists ${name} with (force)`) };
}

/** The run's Redis, and a key prefix that no other test file uses. */
export function testRedis(): { url: string; prefix: string } {
  const { redisUrl, prefix } = servedRun();
  return { url: redisUrl, prefix: `${prefix}_${randomBytes(5).toString('hex')}` };
}

function servedRun() {
  const run = inject('servedRun');
  if (run === undefined)
    throw new Error('this folder runs without servers: take it off the list in vitest.config.ts');
  return run;
}

async function query(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
