import type { Clock, Log } from '../fleet/ports.ts';
import type { Publisher } from './publisher.ts';

export interface Pulse {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Asks for a reconcile round in each slot of time. The slot is the job's id, so that any number of processes ask for
 * one round together, and an emptied Redis is told again within one slot: nothing that repeats is kept in Redis.
 */
export function createPulse(options: {
  publisher: Pick<Publisher, 'reconcile' | 'scale'>;
  pools(): Promise<readonly string[]>;
  clock: Clock;
  log: Log;
  everyMs: number;
}): Pulse {
  const { publisher, clock, log, everyMs } = options;
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;
  const beat = async (): Promise<void> => {
    try {
      await publisher.reconcile(Math.floor(clock.now().getTime() / everyMs));
      for (const pool of await options.pools()) await publisher.scale(pool);
    } catch (err) {
      log.warn({ err }, 'could not ask for a reconcile round; asking again in the next');
    } finally {
      beating = undefined;
    }
  };
  return {
    async start() {
      timer ??= setInterval(() => void (beating ??= beat()), everyMs);
      beating ??= beat();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await beating;
    },
  };
}
