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
export function createRelay(options: RelayOptions): Relay {
  const state: State = { timer: undefined, running: undefined, again: false, stopped: true };
  return {
    async start() {
      state.stopped = false;
      nudge(options, state);
    },
    async stop() {
      state.stopped = true;
      clearTimeout(state.timer);
      await state.running;
    },
    nudge: () => nudge(options, state),
  };
}

interface RelayOptions {
  outbox: Outbox;
  publisher: Pick<Publisher, 'publish'>;
  clock: Clock;
  log: Log;
  pollMs: number;
}

interface State {
  timer: NodeJS.Timeout | undefined;
  running: Promise<void> | undefined;
  /** Nudged while a delivery was running, which may have looked too early. */
  again: boolean;
  stopped: boolean;
}

function nudge(options: RelayOptions, state: State): void {
  if (state.stopped) return;
  if (state.running !== undefined) {
    state.again = true;
    return;
  }
  clearTimeout(state.timer);
  state.running = deliverAll(options, state);
}

async function deliverAll(options: RelayOptions, state: State): Promise<void> {
  let waitMs = options.pollMs;
  try {
    do {
      state.again = false;
      if (await deliverWaiting(options, state)) waitMs = Math.min(waitMs, PUT_OFF_MS);
    } while (state.again && !state.stopped);
  } catch (err) {
    options.log.warn({ err }, 'could not deliver the outbox; trying again with the next poll');
  } finally {
    state.running = undefined;
    schedule(options, state, waitMs);
  }
}

function schedule(options: RelayOptions, state: State, waitMs: number): void {
  if (state.stopped) return;
  clearTimeout(state.timer);
  state.timer = setTimeout(() => nudge(options, state), waitMs);
}

/** True where something was put off. */
async function deliverWaiting(options: RelayOptions, state: State): Promise<boolean> {
  let delivered = LIMIT;
  let putOff = false;
  while (delivered >= LIMIT && !state.stopped) {
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
