import type { Check } from './check.ts';

/** The checks that a name stands for: one of them, or a model with all its mutants. Undefined where there is none. */
export function chooseChecks(all: readonly Check[], only: string | undefined): readonly Check[] | undefined {
  if (only === undefined) return all;
  // A model by itself has the same name as the model with its mutants: the latter is meant.
  const chosen = all.filter(({ name, model }) => name === only || model === only);
  return chosen.length === 0 ? undefined : chosen;
}
