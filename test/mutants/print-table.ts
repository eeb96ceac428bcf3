import { FENCES_BEGIN, FENCES_END, fenceTable } from './fence-table.ts';
import { MUTANTS } from './mutants.ts';

process.stdout.write(`${FENCES_BEGIN}\n\n${fenceTable(MUTANTS)}\n\n${FENCES_END}\n`);
