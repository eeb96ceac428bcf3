import type { TSchema } from 'typebox';
import type { Clock } from '../fleet/ports.ts';
import type { Budgets, Json, Provider } from '../fleet/provider.ts';

export interface ProviderDeps {
  /** Marks everything that this installation makes in a cloud, and bounds what its sweeps may touch. */
  installation: string;
  budgets: Budgets;
  clock: Clock;
  /** The provider's own section of the configuration; has passed its `optionsSchema`. */
  options: Json;
  /** Secrets by the vendor's own names; without them the vendor's usual credential chain is asked. */
  credentials?: Readonly<Record<string, string>>;
}

/** What a provider's folder gives to the list in index.ts. */
export interface ProviderModule {
  /** The word placements name it by. */
  name: string;
  /** The schema of a placement's `spec`. */
  placementSchema: TSchema;
  /** The schema of the provider's own section of the configuration; every field of it is optional. */
  optionsSchema: TSchema;
  create(deps: ProviderDeps): Provider;
}
