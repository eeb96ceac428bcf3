import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../../src/cli/spec.ts';

let said = '';
beforeEach(() => {
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

test('without its tools the command says what to install, and fails', async () => {
  expect(await main([], '/nowhere')).toBe(1);
  expect(said).toContain('apt-get install spin gcc');
});

test.each([
  [['--only', 'nothing'], 'there is no model or mutant nothing: core, core/without-rule-1'],
  [['--only'], "'--only <value>'"],
  [['--fast'], "Unknown option '--fast'"],
  [['core'], "Unexpected argument 'core'"],
])('wrong arguments are told, and nothing runs: %j', async (args, why) => {
  expect(await main(args, '/nowhere')).toBe(2);
  expect(said).toContain(why);
  expect(said).toContain('npm run spec -- [--only');
});
