import { fileURLToPath } from 'node:url';
import type { Environment } from '../../config.ts';
import { findPlaces, placeHints } from '../../embedded/places.ts';
import { startPostgres } from '../../embedded/postgres.ts';
import { openRunFolder } from '../../embedded/run-folder.ts';
import { type ExploreDatabases, openExploreDatabases } from './postgres-databases.ts';

/** An embedded PostgreSQL that has a database for each run. */
export interface ExplorePostgres extends Pick<ExploreDatabases, 'make' | 'drop'> {
  stop(): Promise<void>;
}

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

/** Starts the server; leaves nothing running where that fails. Rejects with a SetupError that says what to do. */
export async function startExplorePostgres(options: {
  env: Environment;
  say(line: string): void;
  signal: AbortSignal;
}): Promise<ExplorePostgres> {
  const places = await findPlaces(placeHints(options.env, CHECKOUT));
  const folder = await openRunFolder(places, { persistent: false });
  const undo: (() => Promise<unknown>)[] = [() => folder.close()];
  const stop = (): Promise<void> => undoAll(undo.splice(0));
  try {
    const { dir } = folder;
    const { binariesDir } = places;
    const { say, signal } = options;
    const server = await startPostgres({ dir, binariesDir, onProgress: say, signal, isThrowAway: true });
    undo.push(() => server.stop());
    const databases = await openExploreDatabases({ serverUrl: server.url, prefix: 'explore' });
    undo.push(() => databases.close());
    return { make: databases.make, drop: databases.drop, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In reverse, each of them whatever becomes of those before it; rejects with what went wrong first. */
async function undoAll(undo: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of undo.toReversed()) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
