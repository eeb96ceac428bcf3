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
  const head = ['mutant', 'of', 'what is taken out', 'the test that fails'];
  return [head, head.map(() => '---'), ...rows].map(toLine).join('\n');
}

function toLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

/** What a page shows between the two lines; undefined where it lacks one of them. */
export function tableIn(page: string): string | undefined {
  const [, after] = page.split(FENCES_BEGIN);
  const [table, end] = after?.split(FENCES_END) ?? [];
  return end === undefined ? undefined : table?.trim();
}
