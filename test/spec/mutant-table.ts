import type { Check } from '../../src/spec/check.ts';

const BEGIN = '<!-- mutants:begin -->';
const END = '<!-- mutants:end -->';

/** Every mutant as a row of Markdown: the rule, the model and its switches, what breaks, the test in the code. */
export function mutantTable(checks: readonly Check[]): string {
  const rows = checks.flatMap(({ model, switches, mutant }) => {
    if (mutant === undefined) return [];
    const { rule, takesOut, breaks, test } = mutant;
    const names = switches.map((name) => `\`${name}\``).join(', ');
    return [[rule, takesOut, model, names, breaks ?? 'nothing', `\`${test.file}\`: ${test.title}`]];
  });
  const head = ['of', 'what is taken out', 'model', 'switch', 'breaks', 'the test in the code'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** What a page shows between its two marks; undefined where it lacks one. */
export function tableIn(page: string): string | undefined {
  const [, after] = page.split(BEGIN);
  const [table, end] = after?.split(END) ?? [];
  return end === undefined ? undefined : table?.trim();
}
