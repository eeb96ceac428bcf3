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
  expect(Object.keys(report)).toEqual([
    'store',
    'seeds',
    'steps',
    'checked',
    'faults',
    'violations',
    'seconds',
  ]);
  expect(report).toMatchObject({ store: 'memory', seeds: 3, violations: [] });
});

it('a seed is explored with the faults of some places only', async () => {
  const reports = [];
  for (const faults of [
    [],
    ['--faults', ''],
    ['--faults', 'slowNetwork:0,crash:0,lostJob:0,throttled:0,redisEmptied:0'],
  ]) {
    const file = join(folder, `report-${reports.length}.json`);
    expect(await main(['--seeds', '1', '--from', '7', '--report', file, ...faults])).toBe(0);
    const report = JSON.parse(await readFile(file, 'utf8')) as { faults: Record<string, number> };
    // People go on as they are, and a cloud's listings lag by themselves.
    const { cancelled = 0, clientGone = 0, laggingListing: _, ...rest } = report.faults;
    expect(cancelled + clientGone).toBeLessThanOrEqual(20);
    reports.push(Object.values(rest).reduce((sum, count) => sum + count, 0));
  }
  const [all = 0, none, few = 0] = reports;
  expect(none).toBe(0);
  expect(few).toBeGreaterThan(0);
  expect(few).toBeLessThan(all);
});

it.each([
  [['--seeds', '0'], '--seeds must be a whole number from 1'],
  [['--seeds', 'many'], '--seeds must be a whole number from 1'],
  [['--from', '-1'], '--from'],
  [['--store', 'mysql'], '--store must be memory or postgres, not mysql'],
  [['--seeds', '1', '--faults', 'bang:0'], '--faults takes the places of faults'],
  [['--seeds', '1', '--faults', 'crash:many'], '--faults takes the places of faults'],
  [['--seeds', '2', '--faults', 'crash:0'], '--faults takes the places of faults'],
  [['--speed', '3'], '--speed'],
])('%j is refused with a sentence that says why', async (args, why) => {
  expect(await main(args)).toBe(2);
  expect(told).toContain(why);
  expect(told).toContain('npm run explore -- --seeds N');
});
