import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { HELD_STATES, MACHINE_STATES, NEXT, type MachineState } from '../../src/fleet/lifecycle.ts';

const BEGIN = '<!-- lifecycle:begin -->';
const END = '<!-- lifecycle:end -->';

/** The picture as a fenced mermaid block: every move of the table, and no other. */
export function renderLifecycle(next: Readonly<Record<MachineState, readonly MachineState[]>>): string {
  const [first] = MACHINE_STATES;
  const moves = MACHINE_STATES.flatMap((from) => next[from].map((to) => `${from} --> ${to}`));
  const ends = MACHINE_STATES.filter((state) => next[state].length === 0).map((state) => `${state} --> [*]`);
  const lines = [
    `[*] --> ${first}`,
    ...moves,
    ...ends,
    'classDef held stroke-width:4px',
    `class ${HELD_STATES.join(',')} held`,
  ];
  return ['```mermaid', 'stateDiagram-v2', ...lines.map((line) => `  ${line}`), '```'].join('\n');
}

/** The document with `picture` between its markers. Throws where it does not have each marker once, in order. */
export function withPicture(document: string, picture: string): string {
  const [before, fromBegin, ...more] = document.split(BEGIN);
  const [upToEnd, after, ...evenMore] = document.split(END);
  const isInOrder = fromBegin?.includes(END) === true && upToEnd?.includes(BEGIN) === true;
  if (!isInOrder || more.length + evenMore.length > 0) {
    throw new Error(`ARCHITECTURE.md must hold ${BEGIN} and after it ${END}, each once`);
  }
  return `${before}${BEGIN}\n\n${picture}\n\n${END}${after}`;
}

export async function readArchitecture(): Promise<string> {
  return readFile(path(), 'utf8');
}

function path(): string {
  return fileURLToPath(new URL('../../ARCHITECTURE.md', import.meta.url));
}

if (import.meta.main) {
  const picture = renderLifecycle(NEXT);
  if (process.argv.includes('--write'))
    await writeFile(path(), withPicture(await readArchitecture(), picture));
  else console.log(picture);
}
