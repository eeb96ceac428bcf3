import type { Check } from './check.ts';
import { CORE_MUTANTS } from './core-mutants.ts';
import { SMALL_MODEL_MUTANTS } from './small-model-mutants.ts';
import type { ModelMutant } from './model-mutant.ts';

const MODELS = ['core', 'flow', 'lanes', 'provisioning', 'growth', 'matching', 'progress'] as const;

/** Every model, verified first, and then each of its mutants. */
export const CHECKS: readonly Check[] = MODELS.flatMap((model) => {
  const mutants = [...CORE_MUTANTS, ...SMALL_MODEL_MUTANTS].filter((mutant) => mutant.model === model);
  return [{ name: model, model, switches: [] }, ...mutants.map(toCheck)];
});

function toCheck(row: ModelMutant): Check {
  const { model, switches, rule, takesOut, breaks } = row;
  const [file, title] = row.test;
  const name = `${model}/${switches.map((each) => each.toLowerCase().replaceAll('_', '-')).join('+')}`;
  return { name, model, switches, mutant: { rule, takesOut, breaks, test: { file, title } } };
}
