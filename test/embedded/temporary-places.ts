import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPlaces, type Places } from '../../src/embedded/places.ts';

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
  const { env } = process;
  const shared = await findPlaces({
    checkout: base,
    uid: process.getuid?.() ?? 0,
    home: env['HOME'],
    stateHome: env['XDG_STATE_HOME'],
    cacheHome: env['XDG_CACHE_HOME'],
    stateDir: env['DROVER_STATE_DIR'],
    cacheDir: env['DROVER_CACHE_DIR'],
  });
  return {
    places: { ...shared, checkoutDir: join(base, '.drover'), dataDir: join(base, 'data') },
    base,
    remove: () => rm(base, { recursive: true, force: true, maxRetries: 5 }),
  };
}
