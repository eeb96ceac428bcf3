import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/explore.ts';

let folder = '';
let told = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-explore-'));
  told = '';
  const hear = (text: string | Uint8Array): boolean => {
    told += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(hear);
  vi.spyOn(process.stderr, 'write').mockImplementation(hear);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

it('a few seeds are explored, and the report says against what', async () => {
  const file = join(folder, 'report.json');
  expect(await main(['--seeds', '3', '--from', '40', '--report', file])).toBe(0);
  expect(told).toMatch(/^3 seeds from 40, \d+ steps in [\d.]+ s: 0 seeds with a violation\n$/);
  const report = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  expect(Object.keys(report)).toEqual(['seeds', 'steps', 'checked', 'faults', 'violations', 'seconds']);
  expect(report).toMatchObject({ seeds: 3, violations: [] });
});

it.each([
  [['--seeds', '0'], '--seeds must be a whole number from 1'],
  [['--seeds', 'many'], '--seeds must be a whole number from 1'],
  [['--from', '-1'], '--from'],
  [['--store', 'postgres'], '--store must be memory, not postgres'],
  [['--speed', '3'], '--speed'],
])('%j is refused with a sentence that says why', async (args, why) => {
  expect(await main(args)).toBe(2);
  expect(told).toContain(why);
  expect(told).toContain('npm run explore -- --seeds N');
});
