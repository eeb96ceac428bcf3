import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';

/** What commands go through: one server, the master that sentinels name, or a cluster. */
export type RedisLine = Redis | Cluster;

export interface Connections {
  /** For adding and looking: commands fail after a while when Redis is away. */
  producer: RedisLine;
  /** For BullMQ's workers, which block and must never give up. */
  worker(): RedisLine;
  close(): Promise<void>;
}

interface Node {
  readonly host: string;
  readonly port: number;
}

interface Access {
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

/** Where Redis is. On a cluster every key of an installation begins with one hash tag, so that all share a slot. */
export type RedisPlace =
  | { readonly kind: 'single'; readonly url: string }
  | (Access & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Node[];
      readonly name: string;
      readonly db: number;
      readonly sentinelUsername?: string;
      readonly sentinelPassword?: string;
    })
  | (Access & { readonly kind: 'cluster'; readonly nodes: readonly Node[] });

export type ConnectionsOptions = ({ url: string } | { place: RedisPlace }) & {
  onError(error: unknown): void;
};

/** Producers and workers connect differently; all of a process's connections close together. */
export function createConnections(options: ConnectionsOptions): Connections {
  const place: RedisPlace = 'place' in options ? options.place : { kind: 'single', url: options.url };
  const opened = new Set<RedisLine>();
  const open = (line: RedisLine): RedisLine => {
    line.on('error', (error: unknown) => options.onError(withoutCommand(error)));
    opened.add(line);
    return line;
  };
  const producer = open(connect(place, PRODUCER));
  return {
    producer,
    worker: () => open(connect(place, WORKER)),
    async close() {
      for (const line of opened) line.disconnect();
      opened.clear();
    },
  };
}

/** What Redis refused goes along with its error, and may be the password itself. */
function withoutCommand(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if ('command' in error) delete error.command;
  if ('lastNodeError' in error) withoutCommand(error.lastNodeError);
  return error;
}

const COMMAND_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;

const PRODUCER = {
  maxRetriesPerRequest: 3,
  enableAutoPipelining: true,
  connectTimeout: CONNECT_TIMEOUT_MS,
  commandTimeout: COMMAND_TIMEOUT_MS,
  // A host that has vanished closes nothing: commands would time out one after another on its connection.
  socketTimeout: COMMAND_TIMEOUT_MS,
  retryStrategy,
} satisfies RedisOptions;
const WORKER = {
  maxRetriesPerRequest: null,
  enableAutoPipelining: true,
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy,
} satisfies RedisOptions;
type Role = typeof PRODUCER | typeof WORKER;

function connect(place: RedisPlace, role: Role): RedisLine {
  switch (place.kind) {
    case 'single':
      return new Redis(place.url, role);
    case 'sentinel':
      return new Redis({ ...role, ...toSentinelOptions(place) });
    case 'cluster':
      return connectCluster(place, role);
  }
}

function toSentinelOptions(place: Extract<RedisPlace, { kind: 'sentinel' }>) {
  const { sentinels, name, db, sentinelUsername, sentinelPassword } = place;
  return {
    ...{ sentinels: sentinels.map((each) => ({ ...each })), name, db, ...toAccess(place) },
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(place.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    // Said by the sentinels, for a master that is replaced without its connections breaking.
    failoverDetector: true,
    // Every connection listens to so many of them.
    sentinelMaxConnections: 2,
    reconnectOnError: isDemoted,
  } satisfies RedisOptions;
}

/** A master of yesterday answers, but takes nothing: whoever is master now is asked for again. */
function isDemoted(error: Error): boolean {
  return error.message.startsWith('READONLY');
}

function connectCluster(place: Extract<RedisPlace, { kind: 'cluster' }>, role: Role): Cluster {
  const { maxRetriesPerRequest, connectTimeout } = role;
  const silence = 'socketTimeout' in role ? { socketTimeout: role.socketTimeout } : {};
  const cluster = {
    redisOptions: { maxRetriesPerRequest, connectTimeout, ...silence, ...toAccess(place) },
    enableAutoPipelining: 'enableAutoPipelining' in role,
    clusterRetryStrategy: retryStrategy,
  } satisfies ClusterOptions;
  const line = new Cluster(
    place.nodes.map((each) => ({ ...each })),
    // Certificates name hosts, not the addresses they resolve to.
    place.tls ? { ...cluster, dnsLookup: unresolved } : cluster,
  );
  if ('commandTimeout' in role) boundCommands(line, role.commandTimeout);
  return line;
}

function unresolved(host: string, done: (err: null, address: string) => void): void {
  done(null, host);
}

/** A node's own time-out does not run while no node is known: what waits for one ends all the same. */
function boundCommands(line: Cluster, timeoutMs: number): void {
  const send = line.sendCommand.bind(line);
  line.sendCommand = (command, stream, node: unknown) => {
    command.setTimeout(timeoutMs);
    return send(command, stream, node);
  };
}

function toAccess({ tls, username, password }: Access) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
}

function retryStrategy(tries: number): number {
  return Math.min(2000, 50 * 2 ** Math.min(tries, 6));
}
