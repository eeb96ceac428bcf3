import type { TSchema } from 'typebox';
import type { Clock } from '../fleet/ports.ts';
import type { Budgets, Capabilities, Json, Provider } from '../fleet/provider.ts';

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
  /** As in its capabilities, for pools to be checked against before anything runs. */
  reset: Capabilities['reset'];
  /** True where only a running machine can be reset. */
  resetsRunning?: boolean;
  /** What a placement has to itself and no other may name; none where machines carry their owner. */
  territory?(spec: Readonly<Record<string, unknown>>): string | undefined;
  create(deps: ProviderDeps): Provider;
}
