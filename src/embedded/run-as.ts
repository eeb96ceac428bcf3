import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SetupError } from './setup-error.ts';

/** The unprivileged user that servers run as where we are root: PostgreSQL refuses to run as root. */
export interface ServerUser {
  uid: number;
  gid: number;
}

/** `nobody` where we are root, undefined (ourselves) otherwise. */
export async function findServerUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === 'nobody');
  if (fields === undefined) {
    throw new SetupError(
      'there is no user nobody to run servers as: start as a normal user, or set DATABASE_URL and REDIS_URL',
    );
  }
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Refuses a folder that the servers' user could not reach, before a server fails in its own words. */
export async function assertReachable(folder: string, user: ServerUser | undefined): Promise<void> {
  if (user === undefined) return;
  for (let place = folder; ; place = dirname(place)) {
    const { mode, uid } = await stat(place);
    const bit = uid === user.uid ? 0o100 : 0o001;
    if ((mode & bit) === 0) {
      throw new SetupError(
        `PostgreSQL runs as nobody, who cannot enter ${place}: set DROVER_STATE_DIR and DROVER_CACHE_DIR to folders below one that all may enter`,
      );
    }
    if (place === dirname(place)) return;
  }
}
