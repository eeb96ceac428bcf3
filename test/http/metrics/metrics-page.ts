import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FAMILIES } from '../../../src/http/metrics/families.ts';

const BEGIN = '<!-- metrics:begin -->';
const END = '<!-- metrics:end -->';

/** The table of docs/metrics.md: every metric of the fleet with its kind, its labels and what it means. */
export function renderMetrics(): string {
  const rows = Object.entries(FAMILIES).map(([name, { kind, labels, help }]) => {
    const named = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`drover_${name}\` | ${kind} | ${named} | ${help} |`;
  });
  return ['| metric | kind | labels | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The page with `table` between its markers. Throws where it does not have each marker once, in order. */
export function withTable(page: string, table: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  const isOnce = begin === page.lastIndexOf(BEGIN) && end === page.lastIndexOf(END);
  if (begin < 0 || end < begin || !isOnce) {
    throw new Error(`docs/metrics.md must hold ${BEGIN} and after it ${END}, each once`);
  }
  return `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`;
}

export async function readPage(): Promise<string> {
  return readFile(path(), 'utf8');
}

function path(): string {
  return fileURLToPath(new URL('../../../docs/metrics.md', import.meta.url));
}

if (import.meta.main) {
  if (process.argv.includes('--write')) await writeFile(path(), withTable(await readPage(), renderMetrics()));
  else console.log(renderMetrics());
}
