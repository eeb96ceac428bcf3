import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { SeedViolation } from '../../src/explore/explore-seeds.ts';
import { type CopiedCheckout, copyCheckout } from '../mutants/copied-checkout.ts';
import type { Replacement } from '../mutants/mutant.ts';
import type { SeedsToRun } from './run-seeds.ts';
import { SQL_MUTANTS, SQL_SEEDS } from './sql-mutants.ts';

const DEADLINE_MS = 300_000;

let checkout: CopiedCheckout;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

it.each(SQL_MUTANTS)('over PostgreSQL $name is found', { timeout: DEADLINE_MS }, async (mutant) => {
  const { from, breaks, without, bypassed = [] } = mutant;
  const seen = await runSeeds([...bypassed, ...without], { from, seeds: SQL_SEEDS, until: breaks });
  const found = seen.find(({ invariant }) => breaks.includes(invariant));
  expect(found, `within ${SQL_SEEDS} seeds from ${from}`).toBeDefined();
  // It is the mutant that was found: what else was taken out with it breaks nothing by itself.
  expect(await runSeeds(bypassed, { from: found?.seed ?? from, seeds: 1, until: [] })).toEqual([]);
});

let runs = 0;

/** What seeds break in a copy of this checkout with these replacements, in a process of its own. */
async function runSeeds(
  replacements: readonly Replacement[],
  seeds: Pick<SeedsToRun, 'from' | 'seeds' | 'until'>,
): Promise<SeedViolation[]> {
  const { databaseUrl, prefix } = inject('servedRun');
  runs += 1;
  const toRun: SeedsToRun = { ...seeds, serverUrl: databaseUrl, prefix: `${prefix}_explore_${runs}` };
  const putBack = await checkout.change(replacements);
  try {
    const words = ['test/explore/run-seeds.ts', JSON.stringify(toRun)];
    const within = { cwd: checkout.dir, timeout: DEADLINE_MS };
    const { stdout } = await promisify(execFile)(process.execPath, words, within);
    return JSON.parse(stdout) as SeedViolation[];
  } finally {
    await putBack();
  }
}
