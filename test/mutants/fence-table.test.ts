import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FENCES_BEGIN, FENCES_END, fenceTable, tableIn } from './fence-table.ts';
import { MUTANTS } from './mutants.ts';

const page = fileURLToPath(new URL('../../ARCHITECTURE.md', import.meta.url));

test('the table has a row for each fence, whose cells hold together', () => {
  const lines = fenceTable(MUTANTS).split('\n');
  expect(lines).toHaveLength(MUTANTS.length + 2);
  for (const line of lines) expect(line.match(/(?<!\\)\|/g)).toHaveLength(5);
});

test('the table is found between its two lines, and nowhere else', () => {
  expect(tableIn(`before\n${FENCES_BEGIN}\n| a |\n${FENCES_END}\nafter`)).toBe('| a |');
  expect(tableIn(`before\n${FENCES_BEGIN}\n| a |`)).toBeUndefined();
  expect(tableIn('| a |')).toBeUndefined();
});

test.skipIf(!existsSync(page))('ARCHITECTURE.md shows the fences as they are', async () => {
  const shown = tableIn(await readFile(page, 'utf8'));
  expect(shown, 'print it anew with node test/mutants/print-table.ts').toBe(fenceTable(MUTANTS));
});
