import { expect, test, vi } from 'vitest';
import { main } from '../../src/cli/chaos.ts';
import { readChaosOptions } from '../../src/cli/chaos/chaos-options.ts';

test('without arguments it is one minute of seed 1', () => {
  expect(readChaosOptions([])).toEqual({ minutes: 1, seed: 1, reportFile: undefined });
});

test('minutes, seed and report are taken as they are given', () => {
  const args = ['--minutes', '10', '--seed', '77', '--report', 'chaos.json'];
  expect(readChaosOptions(args)).toEqual({ minutes: 10, seed: 77, reportFile: 'chaos.json' });
});

test.each([
  [['--minutes', '0'], '--minutes must be a whole number from 1 to 1440, not 0'],
  [['--minutes', '1.5'], '--minutes must be a whole number'],
  [['--minutes', '1e1'], '--minutes must be a whole number'],
  [['--minutes', ''], '--minutes must be a whole number'],
  [['--seed', '-1'], '--seed'],
  [['--seeds', '3'], '--seeds'],
  [['ten'], 'ten'],
])('%j is refused with a sentence that says what it takes', async (args, why) => {
  let told = '';
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += String(text);
    return true;
  });
  try {
    expect(await main(args, {})).toBe(2);
  } finally {
    write.mockRestore();
  }
  expect(told).toContain(why);
  expect(told).toContain('npm run chaos -- [--minutes N]');
});
