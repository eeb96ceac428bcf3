import fastifySwagger from '@fastify/swagger';
import { createLeasing } from '../fleet/leasing.ts';
import type { Clock, Jobs, Log, NewId } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import { describeApi } from './api-description.ts';
import { createApp, type App } from './app.ts';
import { createAuthentication, type ApiToken } from './authentication.ts';
import type { Board } from './board.ts';
import { addFleetRoutes } from './fleet-routes.ts';
import { addFreezeRoutes } from './freeze-routes.ts';
import { addHealthRoutes, type ReadinessChecks } from './health-routes.ts';
import { addLeaseRoutes } from './lease-routes.ts';
import type { LeaseWaits } from './lease-wait.ts';
import { addMetricsRoute } from './metrics/metrics-route.ts';
import { createOrderlyClose, type OrderlyClose } from './orderly-close.ts';
import { addPages } from './pages.ts';
import { createSessions } from './sessions.ts';
import { addSweepRoutes } from './sweep-routes.ts';
import type { Views } from '../fleet/views.ts';

export interface HttpSettings {
  host: string;
  /** 0 for any free one. */
  port: number;
  /** How long a browser stays signed in. */
  sessionMs: number;
  /** True where browsers reach this over TLS. */
  secureCookie: boolean;
  /** After this a request that only waits for the store is answered 503; long polls get their wait on top. */
  requestTimeoutMs: number;
  /** How long a lost notification about a lease may cost. */
  pollMs: number;
  readinessTimeoutMs: number;
  /** How long a stop waits for answers that are under way. */
  stopTimeoutMs: number;
}

export const HTTP_DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  sessionMs: 12 * 60 * 60 * 1000,
  secureCookie: false,
  requestTimeoutMs: 15_000,
  pollMs: 1000,
  readinessTimeoutMs: 1000,
  stopTimeoutMs: 5000,
} as const satisfies HttpSettings;

export interface HttpServerDeps {
  store: Store;
  views: Views;
  jobs: Pick<Jobs, 'nudge' | 'scale'>;
  waits: LeaseWaits;
  checks: ReadinessChecks;
  clock: Clock;
  newId: NewId;
  log: Log;
  tokens: readonly ApiToken[];
  settings: HttpSettings;
  board?: Board;
  version: string;
}

export interface HttpServer {
  /** Starts answering; resolves to the address once it does. */
  listen(): Promise<string>;
  /**
   * Takes no more requests, ends long polls at once with their lease as it is, and lets the rest finish within
   * `stopTimeoutMs`, also what a client that has gone away began. Fine before `listen` and twice.
   */
  stop(): Promise<void>;
  /** `http://HOST:PORT`. Throws before `listen` has resolved. */
  readonly url: string;
}

/** The fleet's API and pages. Nothing is opened before `listen`. */
export function createHttpServer(deps: HttpServerDeps): HttpServer {
  const stopping = new AbortController();
  const { app, close } = build(deps, stopping.signal);
  let url: string | undefined;
  let stopped: Promise<void> | undefined;

  return {
    async listen() {
      const { host, port } = deps.settings;
      await app.listen({ host, port });
      url = toUrl(app, host);
      deps.log.info({ url }, 'listening');
      return url;
    },
    stop() {
      stopping.abort();
      stopped ??= close();
      return stopped;
    },
    get url() {
      if (url === undefined) throw new Error('The HTTP server has no address before listen() has resolved.');
      return url;
    },
  };
}

function build(deps: HttpServerDeps, stopping: AbortSignal): { app: App; close: OrderlyClose } {
  const { settings, log, clock, store, views } = deps;
  const { requestTimeoutMs, sessionMs, secureCookie, readinessTimeoutMs, pollMs } = settings;
  const sessions = createSessions({ clock, ttlMs: sessionMs });
  const authentication = createAuthentication({ tokens: deps.tokens, sessions });
  const app = createApp({ log, newId: deps.newId, authentication, stopping, requestTimeoutMs });
  // Before the routes: it is to hear of each.
  const close = createOrderlyClose(app, { timeoutMs: settings.stopTimeoutMs, log });
  const recall = (owner: string, idempotencyKey: string) => views.leaseByKey({ owner, idempotencyKey });
  const leasing = createLeasing({ store, jobs: deps.jobs, clock, newId: deps.newId, log, recall });

  void app.register(fastifySwagger, describeApi(deps.version));
  app.after(() => {
    addLeaseRoutes(app, {
      leasing,
      views,
      waits: deps.waits,
      clock,
      log,
      pollMs,
      stopping,
      requestTimeoutMs,
    });
    addFleetRoutes(app, { store, views, clock, version: deps.version });
    addSweepRoutes(app, { store, clock });
    addFreezeRoutes(app, { store, clock });
    addMetricsRoute(app, { views, clock, version: deps.version });
    addHealthRoutes(app, { checks: deps.checks, log, readinessTimeoutMs });
    app.get('/openapi.json', { schema: { hide: true }, config: { open: true } }, async () => app.swagger());
    addPages(app, { authentication, sessions, sessionMs, secureCookie });
    deps.board?.(app, '/queues');
  });
  return { app, close };
}

function toUrl(app: App, host: string): string {
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('The HTTP server listens on no port.');
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${address.port}`;
}
