import pg from 'pg';

export interface Listener {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Calls `heard` with each payload on this channel; the answer takes the listening back. */
  on(channel: string, heard: (payload: string) => void): () => void;
}

const RECONNECT_MS = 1000;

/**
 * Hears NOTIFY on a connection of its own. A notification sent while it is away is lost, so whoever listens also polls
 * slowly; it comes back by itself.
 */
export function createListener(options: { url: string; onError(error: unknown): void }): Listener {
  const hearers = new Map<string, Set<(payload: string) => void>>();
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = true;

  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString: options.url,
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
    });
    next.on('notification', (message) => {
      for (const heard of hearers.get(message.channel) ?? []) heard(message.payload ?? '');
    });
    next.on('error', (error) => again(next, error));
    next.on('end', () => again(next, undefined));
    try {
      await next.connect();
      for (const channel of hearers.keys()) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
      client = next;
    } catch (error) {
      again(next, error);
    }
  };
  const again = (broken: pg.Client, error: unknown): void => {
    if (client === broken) client = undefined;
    void broken.end().catch(() => undefined);
    if (stopped || timer !== undefined) return;
    if (error !== undefined) options.onError(error);
    timer = setTimeout(() => {
      timer = undefined;
      if (!stopped) void connect();
    }, RECONNECT_MS);
    timer.unref();
  };
  return {
    async start() {
      if (!stopped) return;
      stopped = false;
      await connect();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      timer = undefined;
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
    on(channel, heard) {
      const known = hearers.get(channel) ?? new Set();
      if (known.size === 0)
        void client?.query(`listen ${pg.escapeIdentifier(channel)}`).catch(options.onError);
      hearers.set(channel, known.add(heard));
      return () => void known.delete(heard);
    },
  };
}
