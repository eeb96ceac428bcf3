import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import type { Mutant } from './mutant.ts';
import { createMutantRunner, type MutantRunner } from './run-mutants.ts';

const WHOLE_RUN_MS = 900_000;

/** A test for each mutant: its killer fails under it, and passes without. */
export function killEach(mutants: readonly Mutant[]): void {
  let runner: MutantRunner;
  beforeAll(async () => {
    const { databaseUrl, redisUrl } = inject('servedRun');
    runner = await createMutantRunner({ mutants, databaseUrl, redisUrl, lanes: 2 });
  }, WHOLE_RUN_MS);
  afterAll(() => runner.close());

  describe.concurrent('without the fence its killer fails', { timeout: WHOLE_RUN_MS }, () => {
    test('and passes with it', async ({ expect }) => {
      expect(await runner.runKillers()).toEqual([]);
    });

    test.for(mutants)('$name: $takesOut', async (mutant, { expect }) => {
      expect(await runner.run(mutant)).toBe('killed');
    });
  });
}
