import { setTimeout as delay } from 'node:timers/promises';
import { ClientError } from '../client/client-error.ts';
import type { Client } from '../client/client.ts';
import type { Lease } from '../client/shapes.ts';

export interface KeepAct {
  client: Pick<Client, 'heartbeat'>;
  lease: Lease;
  /** Milliseconds of a clock that never jumps. */
  now: () => number;
  /** Ends the keeping. */
  signal: AbortSignal;
}

const BEATS_PER_TIMEOUT = 3;
const RETRY_MS = 1000;

/**
 * Sends heartbeats until `signal` aborts. `lost` resolves to the reason once the lease is over: the fleet says so,
 * or no heartbeat has reached it for so long that it must have ended it. It never resolves otherwise.
 */
export function keepLease(act: KeepAct): { lost: Promise<string> } {
  return {
    lost: new Promise(
      (resolve, reject) => void beat(act).then((why) => why !== undefined && resolve(why), reject),
    ),
  };
}

async function beat({ client, lease, now, signal }: KeepAct): Promise<string | undefined> {
  const timeoutMs = lease.heartbeatTimeoutSeconds * 1000;
  const everyMs = timeoutMs / BEATS_PER_TIMEOUT;
  let confirmedAt = now();
  let pauseMs = 0;
  while (!signal.aborted) {
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    const sentAt = now();
    const leftMs = confirmedAt + timeoutMs - sentAt;
    if (signal.aborted) break;
    if (leftMs <= 0) return `no heartbeat has reached the fleet for ${lease.heartbeatTimeoutSeconds} s`;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(leftMs))]);
    const why = await tryBeat(client, lease.id, limit);
    if (why === 'kept') {
      // From when it was sent: the fleet counts from no later than when it arrived.
      confirmedAt = sentAt;
      pauseMs = Math.max(0, sentAt + everyMs - now());
    } else if (why === 'unheard') {
      pauseMs = Math.min(RETRY_MS, everyMs);
    } else {
      return why.over;
    }
  }
  return undefined;
}

async function tryBeat(
  client: KeepAct['client'],
  lease: string,
  signal: AbortSignal,
): Promise<'kept' | 'unheard' | { over: string }> {
  try {
    await client.heartbeat(lease, { signal, retryForMs: 0 });
    return 'kept';
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const over = error.code === 'lease_ended' || error.code === 'no_such_lease';
    return over ? { over: error.message } : 'unheard';
  }
}
