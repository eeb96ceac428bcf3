import { toTable } from '../mutants/fence-table.ts';
import type { Mutant } from './mutants.ts';

/** The table stands between these two lines. */
export const MUTANTS_BEGIN = '<!-- mutants:begin -->';
export const MUTANTS_END = '<!-- mutants:end -->';

/** Every wrong program as a row of Markdown: what is wrong, what notices, and whether the database was let refuse. */
export function mutantTable(mutants: readonly Mutant[]): string {
  const rows = mutants.map(({ name, breaks, unfenced = false }) => [
    name,
    breaks.map((each) => (each === 'run' ? 'a run that never becomes quiet' : each)).join(', '),
    unfenced ? 'out' : 'in',
  ]);
  return toTable(['the program that is wrong in', 'noticed by', 'fences of the database'], rows);
}
