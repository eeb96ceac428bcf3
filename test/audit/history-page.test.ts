import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { RECORD_FIELDS } from '../../src/audit/record-fields.ts';
import { INVARIANTS } from '../../src/audit/verdict.ts';

const page = await readFile(new URL('../../docs/history.md', import.meta.url), 'utf8');

/** The row of a table that begins with this cell. */
function rowOf(cell: string): string {
  return page.split('\n').find((line) => line.startsWith(`| ${cell} |`)) ?? '';
}

describe('the page about histories', () => {
  it('names every field of every type of record', () => {
    for (const [type, fields] of Object.entries(RECORD_FIELDS)) {
      const row = rowOf(`\`${type}\``);
      expect(Object.keys(fields).filter((field) => !row.includes(`\`${field}\``))).toEqual([]);
    }
  });

  it('says of every invariant what it counts', () => {
    expect(INVARIANTS.filter((id) => rowOf(id).split('|').length !== 5)).toEqual([]);
  });
});
