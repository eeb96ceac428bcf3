import pg from 'pg';
import { isSession } from './session.ts';

export interface Listener {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Calls `heard` with each payload on this channel; the answer takes the listening back. */
  on(channel: string, heard: (payload: string) => void): () => void;
}

interface ListenerOptions {
  url: string;
  onError(error: unknown): void;
  /** The address leads to a pooler, behind which nothing is ever heard: it is not tried again. */
  onDeaf(): void;
}

const RECONNECT_MS = 1000;

/**
 * Hears NOTIFY on a connection of its own. A notification sent while it is away is lost, so whoever listens also polls
 * slowly; it comes back by itself.
 */
export function createListener(options: ListenerOptions): Listener {
  const hearers = new Map<string, Set<(payload: string) => void>>();
  const line = createLine({ ...options, hearers });
  return {
    start: line.open,
    stop: line.close,
    on(channel, heard) {
      const known = hearers.get(channel) ?? new Set();
      if (known.size === 0) line.listen(channel);
      hearers.set(channel, known.add(heard));
      return () => void known.delete(heard);
    },
  };
}

interface LineOptions extends ListenerOptions {
  hearers: ReadonlyMap<string, ReadonlySet<(payload: string) => void>>;
}

interface Line {
  open(): Promise<void>;
  close(): Promise<void>;
  /** Asks for a channel now; without a connection the next one asks for it. */
  listen(channel: string): void;
}

/** One connection at a time, opened again whenever it breaks until it is closed. */
function createLine(options: LineOptions): Line {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = true;

  const connect = async (): Promise<void> => {
    const next = openClient(options, (error) => again(next, error));
    try {
      if (!(await hear(next, options))) stopped = true;
      if (stopped) return void next.end().catch(() => undefined);
      client = next;
    } catch (error) {
      again(next, error);
    }
  };
  const again = (broken: pg.Client, error: unknown): void => {
    if (client === broken) client = undefined;
    void broken.end().catch(() => undefined);
    if (stopped) return;
    if (error !== undefined) options.onError(error);
    timer ??= setTimeout(() => {
      timer = undefined;
      if (!stopped) void connect();
    }, RECONNECT_MS);
    timer.unref();
  };
  return {
    async open() {
      if (!stopped) return;
      stopped = false;
      await connect();
    },
    async close() {
      stopped = true;
      clearTimeout(timer);
      timer = undefined;
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
    listen: (channel) => {
      if (client !== undefined) void listen(client, channel).catch(options.onError);
    },
  };
}

/** Listens to everything that is asked for; false where the address leads to a pooler. */
async function hear(client: pg.Client, { hearers, onDeaf }: LineOptions): Promise<boolean> {
  await client.connect();
  // Told to listen, a pooler would have whichever session it lends out next hear in our place.
  if (!(await isSession(client))) {
    onDeaf();
    return false;
  }
  for (const channel of hearers.keys()) await listen(client, channel);
  return true;
}

function openClient(options: LineOptions, onBroken: (error: unknown) => void): pg.Client {
  const client = new pg.Client({
    connectionString: options.url,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  });
  client.on('notification', (message) => {
    for (const heard of options.hearers.get(message.channel) ?? []) heard(message.payload ?? '');
  });
  client.on('error', onBroken);
  client.on('end', () => onBroken(undefined));
  return client;
}

async function listen(client: pg.Client, channel: string): Promise<void> {
  await client.query(`listen ${pg.escapeIdentifier(channel)}`);
}
