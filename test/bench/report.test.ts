import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toReport, writeReport } from '../../bench/report.ts';
import { median, spread } from '../../bench/statistics.ts';

describe("a benchmark's report", () => {
  it('says its name, ratios, figures and the machine, to four digits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-bench-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'b.json');
    await writeReport(file, toReport('chains', { ratio: { bullmq: 0.512_345 }, figures: { pairs: 9 } }));
    const report = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    expect(report).toMatchObject({ name: 'chains', ratio: { bullmq: 0.5123 }, figures: { pairs: 9 } });
    expect(Object.keys(report)).toEqual(['name', 'ratio', 'figures', 'machine']);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is not written with a figure of %s', (figure) => {
    expect(() => toReport('chains', { ratio: { bullmq: figure }, figures: {} })).toThrow(
      'bullmq came out as',
    );
    expect(() => toReport('chains', { ratio: {}, figures: { pairs: figure } })).toThrow('pairs came out as');
  });
});

describe('the middle of rounds', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('comes with the least and the most', () => {
    expect(spread('rate', [3, 1, 2])).toEqual({ rateMin: 1, rateMedian: 2, rateMax: 3 });
  });
});
