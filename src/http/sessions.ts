import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../fleet/ports.ts';

/** Who asks, as their token says. */
export interface Caller {
  owner: string;
  /** May read and end everybody's leases. */
  operator: boolean;
}

export interface Sessions {
  /** Opens a session; answers the secret that goes into the cookie. */
  open(caller: Caller): string;
  find(secret: string): Caller | undefined;
  close(secret: string): void;
}

const SESSIONS_MAX = 1000;

/**
 * Browser sessions of this process, kept in memory by the hash of their secret: a look into the memory or a log shows
 * nothing that opens a session. They end `ttlMs` after they were opened, or when a thousand newer ones exist.
 */
export function createSessions({ clock, ttlMs }: { clock: Clock; ttlMs: number }): Sessions {
  const open = new Map<string, { caller: Caller; until: number }>();

  function dropStale(): void {
    const now = clock.now().getTime();
    for (const [hash, session] of open) {
      if (session.until > now && open.size < SESSIONS_MAX) break;
      open.delete(hash);
    }
  }

  return {
    open(caller) {
      dropStale();
      const secret = randomBytes(32).toString('base64url');
      open.set(sha256(secret), { caller, until: clock.now().getTime() + ttlMs });
      return secret;
    },
    find(secret) {
      const session = open.get(sha256(secret));
      if (session === undefined || session.until <= clock.now().getTime()) return undefined;
      return session.caller;
    },
    close(secret) {
      open.delete(sha256(secret));
    },
  };
}

/** SHA-256 in hexadecimal: how tokens and session secrets are kept. */
export function sha256(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
