import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../fleet/ports.ts';
import type { Views } from '../../fleet/views.ts';
import type { App } from '../app.ts';
import { toRegistry } from './render-figures.ts';
import { createSharedReading } from './shared-reading.ts';

export interface MetricsRouteDeps {
  views: Pick<Views, 'figures'>;
  clock: Clock;
  version: string;
}

/** How often the database is asked at most. */
const FIGURES_AGE_MS = 1000;

/**
 * The fleet's figures for Prometheus, as the database has them: the same whichever process is asked. Without the
 * database there are none, and the answer is an error rather than what was true before.
 */
export function addMetricsRoute(app: App, { views, clock, version }: MetricsRouteDeps): void {
  const figures = createSharedReading({ read: views.figures, clock, ageMs: FIGURES_AGE_MS });
  const process = createProcessRegistry(version);
  const schema = { summary: 'Figures for Prometheus, in its text format; see docs/metrics.md.' };
  app.get('/metrics', { schema }, async (_request, reply) => {
    const all = Registry.merge([toRegistry(await figures()), process]);
    return reply.type(all.contentType).send(await all.metrics());
  });
}

/** What this process tells of itself. */
function createProcessRegistry(version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const info = { name: 'drover_build_info', help: 'Always 1; `version` is that of the process.' };
  new Gauge({ ...info, labelNames: ['version'], registers: [registry] }).set({ version }, 1);
  return registry;
}
