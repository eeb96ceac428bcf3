import type { CheckResult } from './check.ts';

export interface SpecReport {
  models: {
    name: string;
    verified: boolean;
    states: number;
    depth: number;
    seconds: number;
    broken: string;
  }[];
  mutants: {
    name: string;
    rule: string;
    asExpected: boolean;
    broken: string;
    steps: number;
    states: number;
    seconds: number;
    trail: readonly string[];
  }[];
  surprises: number;
  seconds: number;
}

/** The run as JSON; an empty word where nothing broke. */
export function toReport(results: readonly CheckResult[], seconds: number): SpecReport {
  const models = results.filter(({ check }) => check.mutant === undefined);
  const mutants = results.filter(({ check }) => check.mutant !== undefined);
  return {
    models: models.map(({ check, asExpected, states, depth, seconds, broken }) => {
      return { name: check.name, verified: asExpected, states, depth, seconds, broken: broken ?? '' };
    }),
    mutants: mutants.map((result) => {
      const { check, asExpected, states, seconds, trail, depth, broken } = result;
      const rule = check.mutant?.rule ?? '';
      return {
        name: check.name,
        rule,
        asExpected,
        broken: broken ?? '',
        steps: depth,
        states,
        seconds,
        trail,
      };
    }),
    surprises: results.filter(({ asExpected }) => !asExpected).length,
    seconds,
  };
}
