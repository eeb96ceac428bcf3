import type { Outbox } from '../fleet/outbox.ts';
import type { Clock, Log } from '../fleet/ports.ts';
import type { Publisher } from './publisher.ts';

export interface Relay {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** There may be something to deliver. */
  nudge(): void;
}

const LIMIT = 500;
/** A wake that came too early is tried again this soon. */
const PUT_OFF_MS = 25;

/**
 * Delivers what the database wants the queues told. Woken by a nudge, with a slow poll behind it: a lost wake-up costs
 * a poll, never a bell. Delivery is at least once; every job is a hint that its worker checks against the store.
 */
export function createRelay(options: {
  outbox: Outbox;
  publisher: Pick<Publisher, 'publish'>;
  clock: Clock;
  log: Log;
  pollMs: number;
}): Relay {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = true;

  const deliverAll = async (): Promise<void> => {
    let waitMs = options.pollMs;
    try {
      do {
        again = false;
        if (await deliverWaiting(options, () => stopped)) waitMs = Math.min(waitMs, PUT_OFF_MS);
      } while (again && !stopped);
    } catch (err) {
      options.log.warn({ err }, 'could not deliver the outbox; trying again with the next poll');
    } finally {
      running = undefined;
      schedule(waitMs);
    }
  };
  const nudge = (): void => {
    if (stopped) return;
    if (running !== undefined) {
      again = true;
      return;
    }
    clearTimeout(timer);
    running = deliverAll();
  };
  const schedule = (waitMs: number): void => {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(nudge, waitMs);
  };
  return {
    async start() {
      stopped = false;
      nudge();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
    nudge,
  };
}

/** True where something was put off. */
async function deliverWaiting(
  options: { outbox: Outbox; publisher: Pick<Publisher, 'publish'>; clock: Clock },
  isStopped: () => boolean,
): Promise<boolean> {
  let delivered = LIMIT;
  let putOff = false;
  while (delivered >= LIMIT && !isStopped()) {
    const now = options.clock.now();
    delivered = await options.outbox.deliver({
      now,
      limit: LIMIT,
      deliver: async (bells) => {
        const later = await options.publisher.publish(bells, now);
        putOff ||= later.size > 0;
        return later;
      },
    });
  }
  return putOff;
}
