import type { Log } from '../fleet/ports.ts';

export interface Watched {
  queue: string;
  /** How many jobs it has begun since it was first started. */
  begun(): number;
  /** It works at fewer jobs than it may. */
  hasRoom(): boolean;
  /** Puts a new worker in the old one's place. */
  restart(): void;
}

export interface HangWatchOptions {
  watched: readonly Watched[];
  /** A job of this queue waits and could be taken at once. */
  waits(queue: string): Promise<boolean>;
  afterMs: number;
  now(): Date;
  log: Log;
}

export interface HangWatch {
  start(): void;
  stop(): Promise<void>;
}

/** How often it is looked within the time after which a worker is taken to hang. */
const LOOKS = 6;

/**
 * BullMQ's worker waits for ever for the answer to a command that went to a Redis which is no more: after a failover
 * whose old master never closed its connections it stays, takes nothing, and says nothing. So one that has room and
 * has begun nothing, although at every look jobs waited, is started anew. At worst that takes a healthy one's place.
 */
export function createHangWatch(options: HangWatchOptions): HangWatch {
  const evidence = new Map<Watched, { begun: number; sinceMs: number }>();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<unknown> | undefined;
  const look = async (watched: Watched): Promise<void> => {
    const begun = watched.begun();
    // A Redis that does not answer here is away for all: that is no hang, and is told elsewhere.
    const isOwed = watched.hasRoom() && (await options.waits(watched.queue).catch(() => false));
    const nowMs = options.now().getTime();
    const known = evidence.get(watched);
    if (!isOwed || watched.begun() !== begun || known?.begun !== begun) {
      if (isOwed) evidence.set(watched, { begun: watched.begun(), sinceMs: nowMs });
      else evidence.delete(watched);
      return;
    }
    if (nowMs - known.sinceMs < options.afterMs) return;
    evidence.delete(watched);
    const { queue } = watched;
    const silentMs = nowMs - known.sinceMs;
    options.log.warn(
      { queue, silentMs },
      'a queue worker takes no jobs although some wait; starting another in its place',
    );
    watched.restart();
  };
  return {
    start() {
      timer ??= setInterval(() => {
        looking ??= Promise.all(options.watched.map(look)).finally(() => (looking = undefined));
      }, options.afterMs / LOOKS);
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await looking;
    },
  };
}
