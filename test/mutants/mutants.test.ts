import { expect, test } from 'vitest';
import { replaceAll, replaceOnce } from './copied-checkout.ts';
import { killEach } from './kill-each.ts';
import { FENCES, MUTANTS } from './mutants.ts';

killEach(FENCES);

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
