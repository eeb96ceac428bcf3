import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { replaceOnce } from './copied-checkout.ts';
import { MUTANTS } from './mutants.ts';
import { createMutantRunner, type MutantRunner } from './run-mutants.ts';

const WHOLE_RUN_MS = 900_000;

let runner: MutantRunner;
beforeAll(async () => {
  const { databaseUrl, redisUrl } = inject('servedRun');
  runner = await createMutantRunner({ databaseUrl, redisUrl, lanes: 2 });
}, WHOLE_RUN_MS);
afterAll(() => runner.close());

test('every mutant has a name of its own', () => {
  const names = MUTANTS.map((mutant) => mutant.name);
  expect(new Set(names).size).toBe(names.length);
});

test('a mutant that is older than its source fails loudly', () => {
  const piece = { file: 'src/any.ts', find: 'one', replace: 'two' };
  expect(replaceOnce('only one here', piece)).toBe('only two here');
  expect(() => replaceOnce('two and three', piece)).toThrow('src/any.ts has 0 times, not once');
  expect(() => replaceOnce('one and one', piece)).toThrow('src/any.ts has 2 times, not once');
});

describe.concurrent('without the fence its killer fails', { timeout: WHOLE_RUN_MS }, () => {
  test('and passes with it', async ({ expect }) => {
    expect(await runner.runKillers(MUTANTS)).toEqual([]);
  });

  test.for(MUTANTS)('$name: $takesOut', async (mutant, { expect }) => {
    expect(await runner.run(mutant)).toBe('killed');
  });
});
