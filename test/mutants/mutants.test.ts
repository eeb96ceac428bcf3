import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { replaceAll, replaceOnce } from './copied-checkout.ts';
import { MUTANTS } from './mutants.ts';
import { createMutantRunner, type MutantRunner } from './run-mutants.ts';

const WHOLE_RUN_MS = 900_000;

let runner: MutantRunner;
beforeAll(async () => {
  const { databaseUrl, redisUrl } = inject('servedRun');
  runner = await createMutantRunner({ mutants: MUTANTS, databaseUrl, redisUrl, lanes: 2 });
}, WHOLE_RUN_MS);
afterAll(() => runner.close());

test('every mutant has a name of its own', () => {
  const names = MUTANTS.map((mutant) => mutant.name);
  expect(new Set(names).size).toBe(names.length);
});

test('every mutant finds what it replaces in the source as it is', async () => {
  const stale: string[] = [];
  for (const { name, bypassed = [], without } of MUTANTS) {
    const failure = await replaceAll([...bypassed, ...without]).then(() => undefined, String);
    if (failure !== undefined) stale.push(`${name}: ${failure}`);
  }
  expect(stale).toEqual([]);
});

test('a mutant that is older than its source fails loudly', () => {
  const piece = { file: 'src/any.ts', find: 'one', replace: 'two' };
  expect(replaceOnce('only one here', piece)).toBe('only two here');
  expect(() => replaceOnce('two and three', piece)).toThrow('src/any.ts has 0 times, not once');
  expect(() => replaceOnce('one and one', piece)).toThrow('src/any.ts has 2 times, not once');
});

describe.concurrent('without the fence its killer fails', { timeout: WHOLE_RUN_MS }, () => {
  test('and passes with it', async ({ expect }) => {
    expect(await runner.runKillers()).toEqual([]);
  });

  test.for(MUTANTS)('$name: $takesOut', async (mutant, { expect }) => {
    expect(await runner.run(mutant)).toBe('killed');
  });
});
