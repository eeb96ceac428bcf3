import { fileURLToPath } from 'node:url';
import type { Environment } from '../../config.ts';
import { findPlaces, placeHints } from '../../embedded/places.ts';
import { openPostgresSession, type PostgresSession } from '../../embedded/postgres-session.ts';
import { startPostgres } from '../../embedded/postgres.ts';
import { openRunFolder } from '../../embedded/run-folder.ts';
import { migrate } from '../../main.ts';
import { LOOK_FUNCTION } from './postgres-look.ts';

/** An embedded PostgreSQL that has a database for each run. */
export interface ExplorePostgres {
  /** Makes an empty database of this version's schema; answers its address. */
  make(): Promise<string>;
  drop(url: string): Promise<void>;
  stop(): Promise<void>;
}

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const TEMPLATE = 'explore_template';

/** Starts the server; leaves nothing running where that fails. Rejects with a SetupError that says what to do. */
export async function startExplorePostgres(options: {
  env: Environment;
  say(line: string): void;
  signal: AbortSignal;
}): Promise<ExplorePostgres> {
  const places = await findPlaces(placeHints(options.env, CHECKOUT));
  const folder = await openRunFolder(places, { persistent: false });
  const undo: (() => Promise<unknown>)[] = [() => folder.close()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const { dir } = folder;
    const { binariesDir } = places;
    const { say, signal } = options;
    const server = await startPostgres({ dir, binariesDir, onProgress: say, signal });
    undo.push(() => server.stop());
    const session = openPostgresSession(server.url);
    undo.push(() => session.close());
    await makeTemplate(session, databaseOf(server.url, TEMPLATE));
    return { ...createDatabases(session, server.url), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function createDatabases(
  session: PostgresSession,
  serverUrl: string,
): Pick<ExplorePostgres, 'make' | 'drop'> {
  let made = 0;
  return {
    async make() {
      made += 1;
      const name = `explore_${made}`;
      await session.query(`create database ${name} template ${TEMPLATE}`);
      await session.query(`alter database ${name} set ${SETTINGS.join(`; alter database ${name} set `)}`);
      return databaseOf(serverUrl, name);
    },
    async drop(url) {
      await session.query(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
    },
  };
}

/**
 * No run outlives its server's crash. Names are looked up in `public` first, where the template has its own function
 * that makes ids.
 */
const SETTINGS = ['synchronous_commit = off', 'search_path = public, pg_catalog'];

async function makeTemplate(session: PostgresSession, url: string): Promise<void> {
  await session.query(`create database ${TEMPLATE}`);
  await migrate(url);
  const template = openPostgresSession(url);
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

function databaseOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
