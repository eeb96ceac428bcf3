import { v7 as uuidv7 } from 'uuid';
import type { Config } from './config.ts';
import { createPoolCache } from './fleet/pool-cache.ts';
import type { Clock, Log, Ports } from './fleet/ports.ts';
import type { Provider } from './fleet/provider.ts';
import { createBoard } from './http/board.ts';
import { createHttpServer, HTTP_DEFAULTS } from './http/http-server.ts';
import { PROVIDERS } from './providers/index.ts';
import { createBudgets } from './queues/budgets.ts';
import { CATALOGUE, STALLS, type QueueName } from './queues/catalogue.ts';
import { createConnections } from './queues/connections.ts';
import { createJobs } from './queues/jobs.ts';
import { createMachineLocks } from './queues/machine-lock.ts';
import { createPayloadCheck } from './queues/payload-check.ts';
import { createPublisher } from './queues/publisher.ts';
import { createPulse } from './queues/pulse.ts';
import { createRelay } from './queues/relay.ts';
import { createLeaseWaits } from './storage/lease-waits.ts';
import { createListener } from './storage/listener.ts';
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
import { createWorkerHost, type HostedQueue } from './workers/worker-host.ts';

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
const PROBE_TIMEOUT_MS = 2000;

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
  const { storage, connections, publisher, listener } = base;
  const relay = createRelay({ outbox: storage.outbox, publisher, clock, log, pollMs: POLL_MS });
  const locks = createMachineLocks({
    connection: connections.producer,
    prefix: config.redisPrefix,
    ttlMs: STALLS.lockMs,
  });
  const budgets = createBudgets({ connection: connections.producer, prefix: config.redisPrefix });
  const providers = createProviders(deps, budgets);
  const ports: Ports = {
    clock,
    newId: uuidv7,
    store: storage.store,
    jobs: createJobs({ publisher, relay, clock }),
    locks,
    claims: createClaimKeeper({ store: storage.store, clock, claimMs: config.work.claimMs }),
    prober: createProber({ timeoutMs: PROBE_TIMEOUT_MS }),
    budgets,
    pool: createPoolCache({ store: storage.store, clock, ageMs: POOL_AGE_MS }),
    provider: (placement) => providers.get(placement.provider),
    witness: storage.history.witness,
    log,
    settings: config.work,
  };
  const host = createWorkerHost({
    queues: hostedQueues(ports, config),
    connection: connections.worker,
    prefix: `{${config.redisPrefix}}`,
    stalls: STALLS,
    log,
    now: clock.now,
  });
  const pools = async (): Promise<string[]> => (await storage.store.pools()).map((pool) => pool.name);
  const pulse = createPulse({ publisher, pools, clock, log, everyMs: config.work.reconcileMs });
  listener.on('drover_outbox', relay.nudge);
  return {
    async start() {
      await listener.start();
      await host.start();
      await relay.start();
      await pulse.start();
    },
    async stop() {
      await pulse.stop();
      await host.stop();
      await relay.stop();
      locks.stop();
      await providers.close();
      await base.close();
    },
  };
}

/** What both roles need: the database, Redis, and the queues' writing end. */
async function openBase({ config, log }: ComposeDeps) {
  const storage = await createStorage({ url: config.databaseUrl });
  const connections = createConnections({
    url: config.redisUrl,
    onError: (err) => log.warn({ err }, 'Redis does not answer; trying again until it is back'),
  });
  const publisher = createPublisher({ connection: connections.producer, prefix: `{${config.redisPrefix}}` });
  const listener = createListener({
    url: config.databaseUrl,
    onError: (err) => log.warn({ err }, 'lost the connection that hears from PostgreSQL; opening it again'),
  });
  return {
    ...{ storage, connections, publisher, listener },
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
  return {
    get(name: string): Provider {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const found = PROVIDERS.find((each) => each.name === name);
      if (found === undefined)
        throw new Error(
          `there is no provider ${name}; known are ${PROVIDERS.map((each) => each.name).join(', ')}`,
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
  return Object.entries(WORKERS).map(([name, work]) => ({
    name,
    concurrency: config.concurrency[name as QueueName],
    check: createPayloadCheck(CATALOGUE[name as QueueName].payload),
    // What passed its queue's own schema is what its worker takes.
    work: (payload, signal) => work(ports, payload as never, signal),
  }));
}
