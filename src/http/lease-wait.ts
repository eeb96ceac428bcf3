import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, Log } from '../fleet/ports.ts';
import type { Lease } from '../fleet/pool.ts';

/** Tells when a lease changed. It may miss a change, never make one up for long: the store is looked at in any case. */
export interface LeaseWaits {
  /** Resolves when this lease has changed, when `deadline` has come, or when `signal` aborts, whichever is first. */
  until(lease: string, deadline: Date, signal: AbortSignal): Promise<void>;
}

export interface WaitDeps {
  waits: LeaseWaits;
  clock: Clock;
  log: Log;
  /** How long a lost notification may cost. */
  pollMs: number;
}

/** Between two looks at the least, once the first change that was heard of turned out to be none. */
const SPACING_MS = 50;

/**
 * Reads a lease until it is no longer pending, `seconds` have passed or `signal` aborts; answers it as it was last
 * read, undefined where there is none.
 */
export async function readWhilePending(
  deps: WaitDeps,
  read: () => Promise<Lease | undefined>,
  wait: { lease: string; seconds: number; signal: AbortSignal },
): Promise<Lease | undefined> {
  const until = deps.clock.now().getTime() + wait.seconds * 1000;
  const looks = Math.ceil((wait.seconds * 1000) / SPACING_MS) + 2;
  for (let look = 0; look < looks; look += 1) {
    const left = until - deps.clock.now().getTime();
    if (left <= 0 || wait.signal.aborted) break;
    const done = new AbortController();
    const signal = AbortSignal.any([wait.signal, done.signal]);
    // Listening begins before reading: a change between the two is heard.
    const changed = nextChange(deps, { lease: wait.lease, forMs: Math.min(left, deps.pollMs), signal });
    try {
      const lease = await read();
      if (lease?.state !== 'pending') return lease;
      await (look === 0 ? changed : Promise.all([changed, pause(Math.min(left, SPACING_MS), signal)]));
    } finally {
      done.abort();
    }
  }
  return read();
}

/** Never rejects: where notifications fail, the poll goes on alone. */
async function nextChange(
  { waits, clock, log }: WaitDeps,
  wait: { lease: string; forMs: number; signal: AbortSignal },
): Promise<void> {
  const timeUp = pause(wait.forMs, wait.signal);
  const deadline = new Date(clock.now().getTime() + wait.forMs);
  const heard = waits.until(wait.lease, deadline, wait.signal).catch((err: unknown) => {
    log.warn({ err, lease: wait.lease }, 'cannot hear of changes to leases; looking each second instead');
    return timeUp;
  });
  await Promise.race([heard, timeUp]);
}

/** Ends early, and quietly, when `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
