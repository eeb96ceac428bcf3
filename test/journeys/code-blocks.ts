/** A fenced block of a document. */
export interface CodeBlock {
  language: string;
  /** The line of its fence, from 1. */
  line: number;
  text: string;
}

/** The fenced blocks of a Markdown document, in order. Throws for a fence that is not closed. */
export function readCodeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: CodeBlock | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(.*)$/.exec(line);
    if (fence === null) {
      if (open !== undefined) open.text += `${line}\n`;
    } else if (open === undefined) {
      open = { language: (fence[1] ?? '').trim(), line: index + 1, text: '' };
    } else {
      blocks.push(open);
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`the block that begins in line ${open.line} is not closed`);
  return blocks;
}

/** What a person would type of it: all of an `sh` block, and the lines behind a prompt of a `console` block. */
export function commandsOf({ language, text }: CodeBlock): string {
  if (language !== 'console') return text;
  const typed = text.split('\n').filter((line) => line.startsWith('$ '));
  return typed.map((line) => `${line.slice(2)}\n`).join('');
}
