import type { Mutant } from './mutant.ts';

/** The table stands between these two lines. */
export const FENCES_BEGIN = '<!-- fences:begin -->';
export const FENCES_END = '<!-- fences:end -->';

/** Every fence as a row of Markdown: where DESIGN asks for it, what goes wrong without it, what notices. */
export function fenceTable(mutants: readonly Mutant[]): string {
  const rows = mutants.map(({ name, rule, takesOut, bypassed = [], killer }) => {
    const alone = bypassed.length === 0 ? '' : `; ${bypassed.length} other guards out as well`;
    return [name, rule, `${takesOut}${alone}`, `\`${killer.file}\`: ${killer.title}`];
  });
  return toTable(['mutant', 'of', 'what is taken out', 'the test that fails'], rows);
}

/** A table of Markdown. */
export function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(toLine).join('\n');
}

function toLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

/** What a page shows between the two lines; undefined where it lacks one of them. */
export function tableIn(
  page: string,
  [from, to]: readonly [string, string] = [FENCES_BEGIN, FENCES_END],
): string | undefined {
  const [, after] = page.split(from);
  const [table, end] = after?.split(to) ?? [];
  return end === undefined ? undefined : table?.trim();
}
