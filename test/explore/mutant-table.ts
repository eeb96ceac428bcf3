import { toTable } from '../mutants/fence-table.ts';
import { type Mutant, SEEDS } from './mutants.ts';
import { SQL_SEEDS, type SqlMutant } from './sql-mutants.ts';

/** The table stands between these two lines. */
export const MUTANTS_BEGIN = '<!-- mutants:begin -->';
export const MUTANTS_END = '<!-- mutants:end -->';

/** Every wrong program as a row of Markdown: what is wrong, what notices, within how many seeds, and what was let refuse. */
export function mutantTable(mutants: readonly Mutant[], sqlMutants: readonly SqlMutant[]): string {
  const inMemory = mutants.map(({ name, breaks, unfenced = false }) => [
    ...[name, 'memory', tell(breaks), `1 to ${SEEDS}`],
    unfenced ? 'out' : 'in',
  ]);
  const inSql = sqlMutants.map(({ name, breaks, from, bypassed = [] }) => [
    ...[name, 'postgres', tell(breaks), `${from} to ${from + SQL_SEEDS - 1}`],
    bypassed.length === 0 ? 'in' : `${bypassed.length} out`,
  ]);
  const head = [
    'the program that is wrong in',
    'store',
    'noticed by',
    'within seeds',
    'fences that would refuse it',
  ];
  return toTable(head, [...inMemory, ...inSql]);
}

function tell(breaks: readonly string[]): string {
  return breaks.map((each) => (each === 'run' ? 'a run that never becomes quiet' : each)).join(', ');
}
