import { v7 as uuidv7 } from 'uuid';
import { type Config, parseRedisAddress } from './config.ts';
import { createPoolCache } from './fleet/pool-cache.ts';
import type { Clock, Log, Ports } from './fleet/ports.ts';
import type { Provider } from './fleet/provider.ts';
import { createBoard } from './http/board.ts';
import { createHttpServer, HTTP_DEFAULTS } from './http/http-server.ts';
import { PROVIDERS } from './providers/index.ts';
import type { ProviderModule } from './providers/provider-module.ts';
import { createBudgets } from './queues/budgets.ts';
import { CATALOGUE, QUEUE_NAMES, STALLS, type QueueName } from './queues/catalogue.ts';
import { createConnections } from './queues/connections.ts';
import { EvictionError, refuseEviction } from './queues/eviction.ts';
import { createJobs } from './queues/jobs.ts';
import { createMachineLocks } from './queues/machine-lock.ts';
import { createPayloadCheck } from './queues/payload-check.ts';
import { createPublisher } from './queues/publisher.ts';
import { createPulse } from './queues/pulse.ts';
import { createTidy } from './queues/tidy.ts';
import { createRelay, type Relay } from './queues/relay.ts';
import { createLeaseWaits } from './storage/lease-waits.ts';
import { createListener } from './storage/listener.ts';
import { migrate } from './storage/migrate.ts';
import { createStorage } from './storage/storage.ts';
import { batch } from './workers/batch.ts';
import { createClaimKeeper } from './workers/claim-keeper.ts';
import { deletes } from './workers/delete.ts';
import { createProber } from './workers/prober.ts';
import { provision } from './workers/provision.ts';
import { reconcile } from './workers/reconcile.ts';
import { release } from './workers/release.ts';
import { scale } from './workers/scale.ts';
import { stop } from './workers/stop.ts';
import { createWorkerHost, type HostedQueue, type WorkerHostOptions } from './workers/worker-host.ts';

export { createStorage, EvictionError, migrate, PROVIDERS };
export type { Log };

export const VERSION = '0.1.0';

/** Brings the database to this version's schema, its limit to the configured one, its pools to those of the pools file. */
export async function prepareDatabase(config: ComposeConfig, now: Date): Promise<void> {
  await migrate(sessionUrl(config));
  const storage = await createStorage({ url: sessionUrl(config), connections: 1 });
  try {
    await storage.store.limitMachineHours({ maxPerDay: config.maxMachineHoursPerDay ?? null });
    if (config.pools !== undefined) await storage.store.applyPools({ pools: config.pools, now });
  } finally {
    await storage.close();
  }
}

/** What the database remembers, for an audit. */
export async function openRecords(config: ComposeConfig) {
  const storage = await createStorage({ url: sessionUrl(config), connections: 2 });
  const everything = { limit: 100_000, after: null };
  return {
    history: storage.history.records,
    async machinesLeft() {
      const { items } = await storage.views.listMachines({
        ...everything,
        pool: null,
        state: null,
        setAside: null,
      });
      return items.map(({ id, instance, state }) => ({ machine: id, instance, state }));
    },
    async leases() {
      const { items } = await storage.views.listLeases({
        ...everything,
        owner: null,
        state: null,
        pool: null,
      });
      return items.map(({ id, state }) => ({ lease: id, state, readable: true }));
    },
    close: storage.close,
  };
}

/** What long-lived parts have in common. Stopping twice, or before a start, is fine. */
export interface Running {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServeRunning extends Running {
  /** The API's address; throws before it listens. */
  readonly url: string;
}

/** A configuration whose servers are known. */
export type ComposeConfig = Config & { databaseUrl: string; redisUrl: string };

export interface ComposeDeps {
  config: ComposeConfig;
  log: Log;
  clock: Clock;
  version: string;
  /** The clouds that placements may name, instead of every one there is. */
  providers?: readonly ProviderModule[];
  /** How soon a worker that says nothing is given up, instead of the catalogue's times. */
  stalls?: WorkerHostOptions['stalls'];
}

type Workers = Record<
  QueueName,
  (ports: Ports, payload: never, signal: AbortSignal) => ReturnType<typeof stop>
>;

/** Everything that runs, by its queue. */
const WORKERS: Workers = { provision, stop, release, delete: deletes, batch, scale, reconcile };

/** How long a lost notification may cost. */
const POLL_MS = 1000;
const POOL_AGE_MS = 1000;
const TIDY_MS = 60_000;
const PROBE_TIMEOUT_MS = 2000;
/** Far longer than a healthy worker leaves a job waiting while it has room. */
const HANG_MS = 30_000;

/** Builds the API process: routes, pages and board. */
export async function composeServe(deps: ComposeDeps): Promise<ServeRunning> {
  const { config, log, clock } = deps;
  const base = await openBase(deps);
  const { storage, connections, publisher, listener } = base;
  const server = createHttpServer({
    store: storage.store,
    views: storage.views,
    // Bells reach the workers' relays through the database.
    jobs: { nudge: () => undefined, scale: publisher.scale },
    waits: createLeaseWaits(listener, clock.now),
    checks: { store: storage.ping, redis: () => connections.producer.ping() },
    clock,
    newId: uuidv7,
    log,
    tokens: config.tokens,
    settings: { ...HTTP_DEFAULTS, ...config.http },
    board: createBoard({ queues: [...publisher.queues.values()], log }),
    version: deps.version,
  });
  return {
    get url() {
      return server.url;
    },
    async start() {
      await refuseEviction({ connection: connections.producer, log });
      await listener.start();
      await server.listen();
    },
    async stop() {
      await server.stop();
      await base.close();
    },
  };
}

/** Builds a worker process: queues, relay, scaling and reconcile. */
export async function composeWork(deps: ComposeDeps): Promise<Running> {
  const { config, log, clock } = deps;
  const base = await openBase(deps);
  const { storage, publisher, listener } = base;
  const relay = createRelay({ outbox: storage.outbox, publisher, clock, log, pollMs: POLL_MS });
  const worker = createWorkerPorts(deps, { ...base, relay });
  const host = createWorkerHost({
    queues: hostedQueues(worker.ports, config),
    connection: base.connections.worker,
    prefix: base.prefix,
    stalls: deps.stalls ?? STALLS,
    hangs: { afterMs: HANG_MS, waits: publisher.waits },
    log,
    now: clock.now,
  });
  const pools = async (): Promise<string[]> => (await storage.store.pools()).map((pool) => pool.name);
  const pulse = createPulse({ publisher, pools, clock, log, everyMs: config.work.reconcileMs });
  const { openIntents } = storage.views;
  const tidy = createTidy({ queues: publisher.queues, openIntents, everyMs: TIDY_MS, log });
  listener.on('drover_outbox', relay.nudge);
  return {
    async start() {
      await refuseEviction({ connection: base.connections.producer, log });
      await listener.start();
      await host.start();
      await relay.start();
      await pulse.start();
      await tidy.start();
    },
    async stop() {
      await tidy.stop();
      await pulse.stop();
      await host.stop();
      await relay.stop();
      await worker.close();
      await base.close();
    },
  };
}

/** Every port of the workers; closing ends the locks and lets go of the clouds. */
function createWorkerPorts(deps: ComposeDeps, base: Base & { relay: Relay }) {
  const { config, log, clock } = deps;
  const { storage, connections, publisher, relay } = base;
  const redis = { connection: connections.producer, prefix: base.prefix };
  const { lockMs } = deps.stalls ?? STALLS;
  const locks = createMachineLocks({ ...redis, ttlMs: lockMs });
  const budgets = createBudgets(redis);
  const providers = createProviders(deps, budgets);
  // A claim lasts no longer than BullMQ believes in its worker.
  const claimMs = Math.min(config.work.claimMs, lockMs);
  const ports: Ports = {
    clock,
    newId: uuidv7,
    store: storage.store,
    jobs: createJobs({ publisher, relay, clock }),
    locks,
    claims: createClaimKeeper({ store: storage.store, clock, claimMs }),
    prober: createProber({ timeoutMs: PROBE_TIMEOUT_MS }),
    budgets,
    pool: createPoolCache({ store: storage.store, clock, ageMs: POOL_AGE_MS }),
    provider: (placement) => providers.get(placement.provider),
    witness: storage.history.witness,
    log,
    settings: { ...config.work, claimMs },
  };
  return {
    ports,
    async close() {
      locks.stop();
      await providers.close();
    },
  };
}

type Base = Awaited<ReturnType<typeof openBase>>;

/** Where what lasts longer than a transaction is done: hearing of changes, migrations. */
function sessionUrl({ databaseUrl, databaseDirectUrl }: ComposeConfig): string {
  return databaseDirectUrl ?? databaseUrl;
}

const DEAF =
  'leads to a connection pooler: nothing is heard from PostgreSQL, so work and waits look for changes once a second; set DATABASE_DIRECT_URL to the address of PostgreSQL itself';

/** What both roles need: the database, Redis, and the queues' writing end. */
async function openBase({ config, log }: ComposeDeps) {
  const isPooled = config.databaseDirectUrl !== undefined;
  const storage = await createStorage({ url: config.databaseUrl, isPooled });
  const connections = createConnections({
    place: parseRedisAddress(config.redisUrl),
    onError: (err) => log.warn({ err }, 'Redis does not answer; trying again until it is back'),
  });
  // Between braces, so that on a cluster all of an installation's keys are in one slot: flows and scripts need that.
  const prefix = `{${config.redisPrefix}}`;
  const publisher = createPublisher({ connection: connections.producer, prefix });
  const listener = createListener({
    url: sessionUrl(config),
    onError: (err) => log.warn({ err }, 'lost the connection that hears from PostgreSQL; opening it again'),
    onDeaf: () => log.warn({}, `${isPooled ? 'DATABASE_DIRECT_URL' : 'DATABASE_URL'} ${DEAF}`),
  });
  return {
    ...{ storage, connections, publisher, listener, prefix },
    async close() {
      await listener.stop();
      await publisher.close();
      await connections.close();
      await storage.close();
    },
  };
}

/** Each cloud is opened when a machine first needs it. */
function createProviders(deps: ComposeDeps, budgets: Ports['budgets']) {
  const opened = new Map<string, Provider>();
  const known = deps.providers ?? PROVIDERS;
  return {
    get(name: string): Provider {
      const open = opened.get(name);
      if (open !== undefined) return open;
      const found = known.find((each) => each.name === name);
      if (found === undefined)
        throw new Error(
          `there is no provider ${name}; known are ${known.map((each) => each.name).join(', ')}`,
        );
      const options = deps.config.providers[name] ?? {};
      const { clock } = deps;
      const provider = found.create({ installation: deps.config.installation, budgets, clock, options });
      opened.set(name, provider);
      return provider;
    },
    async close() {
      await Promise.all([...opened.values()].map((provider) => provider.close()));
    },
  };
}

function hostedQueues(ports: Ports, config: Config): HostedQueue[] {
  return QUEUE_NAMES.map((name) => ({
    name,
    concurrency: config.concurrency[name],
    check: createPayloadCheck(CATALOGUE[name].payload),
    // What passed its queue's own schema is what its worker takes.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    work: (payload, signal) => WORKERS[name](ports, payload as never, signal),
  }));
}
