import { openPostgresSession, type PostgresSession } from '../../embedded/postgres-session.ts';
import { migrate } from '../../main.ts';
import { LOOK_FUNCTION } from './postgres-look.ts';

/** Databases of one server, one for each run. */
export interface ExploreDatabases {
  /** Makes an empty database of this version's schema; answers its address. */
  make(): Promise<string>;
  drop(url: string): Promise<void>;
  /** Leaves nothing of its own on the server, apart from databases that were not dropped. */
  close(): Promise<void>;
}

/** `prefix` begins the name of each database; `serverUrl` names one that is there. */
export async function openExploreDatabases(options: {
  serverUrl: string;
  prefix: string;
}): Promise<ExploreDatabases> {
  const { serverUrl, prefix } = options;
  const template = `${prefix}_template`;
  const session = openPostgresSession(serverUrl);
  try {
    await makeTemplate(session, { name: template, url: databaseOf(serverUrl, template) });
  } catch (error) {
    await session.close();
    throw error;
  }
  let made = 0;
  return {
    async make() {
      made += 1;
      const name = `${prefix}_${made}`;
      await session.query(`create database ${name} template ${template}`);
      await session.query(`alter database ${name} set ${SETTINGS.join(`; alter database ${name} set `)}`);
      return databaseOf(serverUrl, name);
    },
    drop: async (url) => void (await session.query(dropDatabase(new URL(url).pathname.slice(1)))),
    async close() {
      await session.query(dropDatabase(template));
      await session.close();
    },
  };
}

/**
 * No run outlives its server's crash. Names are looked up in `public` first, where the template has its own function
 * that makes ids.
 */
const SETTINGS = ['synchronous_commit = off', 'search_path = public, pg_catalog'];

async function makeTemplate(session: PostgresSession, of: { name: string; url: string }): Promise<void> {
  await session.query(`create database ${of.name}`);
  await migrate(of.url);
  const template = openPostgresSession(of.url);
  try {
    for (const statement of [...COUNTED_IDS, LOOK_FUNCTION]) await template.query(statement);
  } finally {
    await template.close();
  }
}

/** Ids that statements make are counted, so that a seed gives the same ones, in the same order, each time. */
const COUNTED_IDS = [
  'create sequence explored_id',
  `create function public.gen_random_uuid() returns uuid language sql volatile as
    $$ select ('00000000-0000-4000-a000-' || lpad(to_hex(nextval('explored_id')), 12, '0'))::uuid $$`,
];

function dropDatabase(name: string): string {
  return `drop database ${name} with (force)`;
}

function databaseOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
