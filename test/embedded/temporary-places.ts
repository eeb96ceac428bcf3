import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPlaces, placeHints, type Places } from '../../src/embedded/places.ts';

export interface TemporaryPlaces {
  places: Places;
  /** The folder that everything lies below. */
  base: string;
  remove(): Promise<void>;
}

/** Places of their own for one test file, but with the user's unpacked PostgreSQL and fetched Redis. */
export async function makeTemporaryPlaces(): Promise<TemporaryPlaces> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'drover-places-')));
  await chmod(base, 0o755);
  const shared = await findPlaces(placeHints(process.env, base));
  return {
    places: { ...shared, checkoutDir: join(base, '.drover'), dataDir: join(base, 'data') },
    base,
    remove: () => rm(base, { recursive: true, force: true, maxRetries: 5 }),
  };
}
