import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Check } from '../../src/spec/check.ts';
import { CHECKS } from '../../src/spec/checks.ts';
import { findTools } from '../../src/spec/find-tools.ts';
import { readPan, type Trail } from '../../src/spec/read-pan.ts';
import { judge, runCheck } from '../../src/spec/run-check.ts';
import { runChecks } from '../../src/spec/run-checks.ts';
import { BROKEN, CUT_SHORT, VERIFIED } from './recorded.ts';

const searchPath = process.env['PATH'] ?? '';
const tools = await findTools(searchPath);
const models = fileURLToPath(new URL('../../spec', import.meta.url));

const NO_TRAIL: Trail = { story: [], broken: null, steps: 0 };
const found = { story: ['one step'], broken: 'I3', steps: 13 };
const model: Check = { name: 'matching', model: 'matching', switches: [] };

function without(breaks: string | null): Check {
  const test = { file: 'a.test.ts', title: 'a title' };
  return { ...model, name: 'matching/x', mutant: { rule: 'rule 5', takesOut: 'a test', breaks, test } };
}

function outcome(check: Check, text: string, trail = NO_TRAIL) {
  const report = readPan(text);
  if (report === undefined) throw new Error('the recorded text is no report');
  return judge(check, report, trail);
}

describe('what a search comes to', () => {
  test('a model is verified where all of it was searched and nothing broke', () => {
    expect(outcome(model, VERIFIED)).toMatchObject({ asExpected: true, exhaustive: true, broken: null });
  });

  test('a model that breaks is a surprise', () => {
    expect(outcome(model, BROKEN, found)).toMatchObject({ asExpected: false, broken: 'I3', depth: 13 });
  });

  test('a model that was searched in part is not verified', () => {
    expect(outcome(model, CUT_SHORT)).toMatchObject({
      ...{ asExpected: false, exhaustive: false },
      problem: expect.stringContaining('MEMLIM') as string,
    });
  });

  test('a mutant breaks what it is said to break', () => {
    expect(outcome(without('I3'), BROKEN, found).asExpected).toBe(true);
    expect(outcome(without('I4'), BROKEN, found).asExpected).toBe(false);
  });

  test('a mutant that finds nothing is a surprise, but where it is said to', () => {
    expect(outcome(without('I3'), VERIFIED).asExpected).toBe(false);
    expect(outcome(without(null), VERIFIED).asExpected).toBe(true);
  });

  test('a mutant that was searched in part shows nothing', () => {
    expect(outcome(without(null), CUT_SHORT).asExpected).toBe(false);
  });
});

test('checks run two at a time and answer in their order', async () => {
  const told: string[] = [];
  const checks = ['a', 'b', 'c'].map((name) => ({ ...model, name }));
  const results = await runChecks(checks, {
    atOnce: 2,
    run: (check) => Promise.resolve({ ...outcome(model, VERIFIED), check }),
    tell: ({ check }) => told.push(check.name),
  });
  expect(results.map(({ check }) => check.name)).toEqual(['a', 'b', 'c']);
  expect(told.toSorted()).toEqual(['a', 'b', 'c']);
});

describe.skipIf(typeof tools === 'string')('with spin and a compiler', { timeout: 120_000 }, () => {
  async function run(name: string) {
    const check = CHECKS.find((each) => each.name === name);
    if (check === undefined || typeof tools === 'string') throw new Error(`there is no check ${name}`);
    return runCheck(check, { tools, models, searchPath, megabytes: 500, timeoutMs: 60_000 });
  }

  test('the smallest model is verified', async () => {
    expect(await run('growth')).toMatchObject({ asExpected: true, exhaustive: true, problem: '' });
  });

  test('a rule taken out of it shows its counterexample', async () => {
    const result = await run('growth/without-rule-10');
    expect(result).toMatchObject({ asExpected: true, broken: 'I1L' });
    expect(result.trail.at(-1)).toBe('cloud: capacity 2 becomes 1');
  });
});
