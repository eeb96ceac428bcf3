import type { CheckResult } from './check.ts';

/** One line a check; the counterexample below it where asked for, or where it is a surprise. */
export function sayResult(result: CheckResult, withTrail: boolean): string[] {
  const { check, states, depth, seconds, trail } = result;
  const figures = `${states} states, depth ${depth}, ${seconds.toFixed(1)} s`;
  const line = `${result.asExpected ? ' ' : '!'} ${check.name}: ${verdict(result)} (${figures})`;
  const tells = trail.length > 0 && (withTrail || !result.asExpected);
  return tells ? [line, ...trail.map((step, index) => `      ${index + 1}. ${step}`)] : [line];
}

function verdict({ check, asExpected, broken, problem }: CheckResult): string {
  if (problem !== '') return problem;
  const { mutant } = check;
  if (mutant === undefined) return broken === null ? 'verified' : `BREAKS ${broken}`;
  if (broken !== null)
    return asExpected ? `breaks ${broken}, as it must` : `breaks ${broken}, which it must not`;
  return asExpected
    ? 'breaks nothing: the rest keeps the promise'
    : `NO COUNTEREXAMPLE without ${mutant.rule}`;
}
