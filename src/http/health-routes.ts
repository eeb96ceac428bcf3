import { setTimeout as delay } from 'node:timers/promises';
import { Type } from 'typebox';
import type { Log } from '../fleet/ports.ts';
import type { App } from './app.ts';

/** What this process needs to be of use; each resolves when it answers and rejects when it does not. */
export interface ReadinessChecks {
  store(): Promise<unknown>;
  redis(): Promise<unknown>;
}

export interface HealthRouteDeps {
  checks: ReadinessChecks;
  log: Log;
  readinessTimeoutMs: number;
}

const Answer = Type.Enum(['ok', 'away']);
const ReadyBody = Type.Object({ ready: Type.Boolean(), store: Answer, redis: Answer });

/** For whatever watches the process: open to all, says nothing but up or down. */
export function addHealthRoutes(app: App, deps: HealthRouteDeps): void {
  const config = { open: true };
  const health = { summary: 'The process is up.', response: { 200: Type.Object({ up: Type.Boolean() }) } };
  app.get('/healthz', { schema: health, config }, async () => ({ up: true }));

  const ready = {
    summary: 'PostgreSQL and Redis answer.',
    response: { 200: ReadyBody, 503: ReadyBody },
  };
  app.get('/readyz', { schema: ready, config }, async (_request, reply) => {
    const [store, redis] = await Promise.all([ask(deps, 'store'), ask(deps, 'redis')]);
    const ok = store === 'ok' && redis === 'ok';
    if (!ok) void reply.header('retry-after', '2');
    return reply.code(ok ? 200 : 503).send({ ready: ok, store, redis });
  });
}

async function ask({ checks, log, readinessTimeoutMs }: HealthRouteDeps, what: keyof ReadinessChecks) {
  const done = new AbortController();
  try {
    const late = delay(readinessTimeoutMs, 'late' as const, { signal: done.signal, ref: false });
    late.catch(() => undefined);
    const answer = await Promise.race([checks[what](), late]);
    if (answer !== 'late') return 'ok';
    log.warn({ what, readinessTimeoutMs }, 'not ready: no answer in time');
    return 'away';
  } catch (err) {
    log.warn({ err, what }, 'not ready');
    return 'away';
  } finally {
    done.abort();
  }
}
