import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CHECKS } from '../../src/spec/checks.ts';
import { chooseChecks } from '../../src/spec/choose-checks.ts';
import { toReport } from '../../src/spec/report.ts';
import { sayResult } from '../../src/spec/say-result.ts';
import { mutantTable, tableIn } from './mutant-table.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const mutants = CHECKS.filter(({ mutant }) => mutant !== undefined);

test('every check has a name of its own', () => {
  const names = CHECKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test.each(mutants.map((check) => [check.name, check] as const))(
  '%s has its switches in the model and its test in the code',
  async (_name, { model, switches, mutant }) => {
    const parts = ['words', 'core-state', 'core-cloud', 'core-acts', 'core-batches', 'core-world'];
    const files = [
      `spec/${model}.pml`,
      ...(model === 'core' ? parts.map((part) => `spec/parts/${part}.pml`) : []),
    ];
    const source = (await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))).join('\n');
    for (const name of switches) expect(source).toMatch(new RegExp(String.raw`^#ifn?def ${name}$`, 'm'));
    const test = await readFile(join(root, mutant?.test.file ?? ''), 'utf8');
    expect(test.includes(mutant?.test.title ?? ''), `a test named ${mutant?.test.title}`).toBe(true);
  },
);

test('every rule of the design is taken out of some model', () => {
  const rules = mutants.flatMap(({ mutant }) => {
    const [, one, other] = /rules? (\d+)(?: and (\d+))?/.exec(mutant?.rule ?? '') ?? [];
    return [one, other].flatMap((rule) => (rule === undefined ? [] : [Number(rule)]));
  });
  expect([...new Set(rules)].toSorted((one, other) => one - other)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
  ]);
});

test('the page shows every mutant', async () => {
  const page = await readFile(join(root, 'spec/README.md'), 'utf8');
  expect(tableIn(page)).toBe(mutantTable(CHECKS));
});

test('a name chooses one check, a model all of its own', () => {
  expect(chooseChecks(CHECKS, 'core/without-rule-4')?.map(({ name }) => name)).toEqual([
    'core/without-rule-4',
  ]);
  expect(chooseChecks(CHECKS, 'growth')?.map(({ name }) => name)).toEqual([
    'growth',
    'growth/without-rule-10',
  ]);
  expect(chooseChecks(CHECKS, 'core/without-rule-99')).toBeUndefined();
  expect(chooseChecks(CHECKS, undefined)).toBe(CHECKS);
});

const [check] = CHECKS.filter(({ name }) => name === 'growth/without-rule-10');
const [model] = CHECKS.filter(({ name }) => name === 'growth');
if (check === undefined || model === undefined) throw new Error('the checks of growth are gone');
const figures = { states: 973, depth: 32, seconds: 0.04, problem: '', exhaustive: false };
const expected = { ...figures, check, asExpected: true, broken: 'I1L', trail: ['it shrinks'] };

test('a trail is shown where asked for, and on a surprise', () => {
  const line = '  growth/without-rule-10: breaks I1L, as it must (973 states, depth 32, 0.0 s)';
  expect(sayResult(expected, false)).toEqual([line]);
  expect(sayResult(expected, true)).toEqual([line, '      1. it shrinks']);
  const surprise = { ...expected, check: model, asExpected: false };
  expect(sayResult(surprise, false)).toEqual([
    '! growth: BREAKS I1L (973 states, depth 32, 0.0 s)',
    '      1. it shrinks',
  ]);
});

test('a mutant without a counterexample and a search that failed are told', () => {
  const nothing = { ...expected, asExpected: false, broken: null, trail: [] };
  expect(sayResult(nothing, false)[0]).toContain('NO COUNTEREXAMPLE without rule 10');
  expect(sayResult({ ...nothing, problem: 'it took too long' }, false)[0]).toContain('it took too long');
});

test('the report holds every check, and finite figures alone', () => {
  const verified = { ...expected, check: model, broken: null, trail: [], exhaustive: true };
  expect(toReport([verified, expected], 1.5)).toEqual({
    models: [{ name: 'growth', verified: true, states: 973, depth: 32, seconds: 0.04, broken: '' }],
    mutants: [
      {
        ...{ name: 'growth/without-rule-10', rule: 'rule 10', asExpected: true, broken: 'I1L' },
        ...{ steps: 32, states: 973, seconds: 0.04, trail: ['it shrinks'] },
      },
    ],
    surprises: 0,
    seconds: 1.5,
  });
});
