import { Counter, Gauge, Registry } from 'prom-client';
import type { FleetFigures } from '../../fleet/figures.ts';
import { FAMILIES } from './families.ts';

/**
 * The fleet's figures as a registry of their own, made anew for each scrape: two scrapes at once share nothing that one
 * of them could find half filled.
 */
export function toRegistry(figures: FleetFigures): Registry {
  const registry = new Registry();
  for (const [name, family] of Object.entries(FAMILIES)) {
    const { help, labels, kind } = family;
    const settings = {
      name: `drover_${name}`,
      help,
      labelNames: [...labels],
      registers: [registry],
    };
    const metric = kind === 'counter' ? new Counter(settings) : new Gauge(settings);
    for (const [of, value] of family.samples(figures)) metric.inc(of, value);
  }
  return registry;
}
