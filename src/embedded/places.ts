import { createHash } from 'node:crypto';
import { chmod, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SetupError, systemCode } from './setup-error.ts';

/** What decides where files live; config reads these from the environment. */
export interface PlaceHints {
  /** The folder of this checkout. */
  checkout: string;
  uid: number;
  home?: string | undefined;
  /** XDG_STATE_HOME and XDG_CACHE_HOME. */
  stateHome?: string | undefined;
  cacheHome?: string | undefined;
  /** DROVER_STATE_DIR and DROVER_CACHE_DIR: instead of all of the above. */
  stateDir?: string | undefined;
  cacheDir?: string | undefined;
}

/** What an environment decides, for those who start servers without a configuration. */
export function placeHints(env: Readonly<Record<string, string | undefined>>, checkout: string): PlaceHints {
  return {
    checkout,
    uid: process.getuid?.() ?? 0,
    home: env['HOME'],
    stateHome: env['XDG_STATE_HOME'],
    cacheHome: env['XDG_CACHE_HOME'],
    stateDir: env['DROVER_STATE_DIR'],
    cacheDir: env['DROVER_CACHE_DIR'],
  };
}

export interface Places {
  /** Git-ignored files of this checkout that people look at: `.drover/`. */
  checkoutDir: string;
  /** This checkout's own server data; named by its path, so that two checkouts never share any. */
  dataDir: string;
  /** Unpacked PostgreSQL, shared by this user's checkouts. */
  binariesDir: string;
  /** What can be fetched again, shared by this user's checkouts. */
  cacheDir: string;
}

/** Names the places without touching any. Rejects where a user has no home to keep files in. */
export async function findPlaces(hints: PlaceHints): Promise<Places> {
  const checkout = await realpath(hints.checkout);
  const state =
    hints.stateDir ?? (hints.uid === 0 ? '/var/lib/drover' : under(hints, hints.stateHome, '.local/state'));
  const cache =
    hints.cacheDir ?? (hints.uid === 0 ? '/var/cache/drover' : under(hints, hints.cacheHome, '.cache'));
  const name = createHash('sha256').update(checkout).digest('hex').slice(0, 12);
  return {
    checkoutDir: join(checkout, '.drover'),
    dataDir: join(state, 'checkouts', name),
    binariesDir: join(state, 'postgresql'),
    cacheDir: cache,
  };
}

function under(hints: PlaceHints, base: string | undefined, fallback: string): string {
  if (base !== undefined && base !== '') return join(base, 'drover');
  if (hints.home !== undefined && hints.home !== '') return join(hints.home, fallback, 'drover');
  throw new SetupError('no home folder to keep data in: set HOME, or DROVER_STATE_DIR and DROVER_CACHE_DIR');
}

/**
 * Makes a folder and those above it that are missing, open to be entered by the servers' user whatever the umask.
 * What is secret lies deeper, in files of mode 0600.
 */
export async function makeFolder(path: string): Promise<void> {
  const failed = (error: unknown): never => {
    throw new SetupError(
      `cannot write to ${path} (${systemCode(error) ?? String(error)}): make it writable for this user, or set DROVER_STATE_DIR and DROVER_CACHE_DIR to folders that are`,
      { cause: error },
    );
  };
  const first = await mkdir(path, { recursive: true }).catch(failed);
  if (first === undefined) return;
  for (let made = path; made !== dirname(first); made = dirname(made)) await chmod(made, 0o755);
}
