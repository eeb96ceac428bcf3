import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { explore } from '../../src/explore/explore.ts';
import { tableIn } from '../mutants/fence-table.ts';
import { MUTANTS_BEGIN, MUTANTS_END, mutantTable } from './mutant-table.ts';
import { type Mutant, MUTANTS, SEEDS } from './mutants.ts';
import { SQL_MUTANTS } from './sql-mutants.ts';

/** The first seed under which a mutant breaks what it should; undefined where none does. */
async function findSeed(mutant: Mutant): Promise<number | undefined> {
  const { mutate, unfenced = false } = mutant;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const run = await explore({ seed, mutate, fenced: !unfenced });
    const broken = audit(run.history).violations.map((violation) => violation.invariant as string);
    if (run.failures.length > 0) broken.push('run');
    if (broken.some((each) => mutant.breaks.includes(each))) return seed;
  }
  return undefined;
}

it.each(MUTANTS)('$name is found within a few seeds', { timeout: 120_000 }, async (mutant) => {
  expect(await findSeed(mutant)).toBeDefined();
});

const page = fileURLToPath(new URL('../../docs/explorer.md', import.meta.url));

it.skipIf(!existsSync(page))('docs/explorer.md shows the wrong programs as they are', async () => {
  const shown = tableIn(await readFile(page, 'utf8'), [MUTANTS_BEGIN, MUTANTS_END]);
  expect(shown).toBe(mutantTable(MUTANTS, SQL_MUTANTS));
});
