import type { FileHandle } from 'node:fs/promises';

/** A longer line is refused, so that a file without line ends does not fill the memory. */
export const LINE_LENGTH_MAX = 65_536;

/** A line with its number from 1; `text` is undefined for one that is too long. */
export interface NumberedLine {
  line: number;
  text: string | undefined;
}

/** The lines of a file from its beginning that are not empty, without their ends and without a byte order mark. */
export async function* numberedLines(handle: FileHandle): AsyncGenerator<NumberedLine> {
  let line = 0;
  for await (const text of linesOf(handle)) {
    line += 1;
    const bare = line === 1 ? text?.replace(/^\uFEFF/, '') : text;
    if (bare === undefined || bare.trim() !== '') yield { line, text: bare };
  }
}

async function* linesOf(handle: FileHandle): AsyncGenerator<string | undefined> {
  let rest = '';
  let isTooLong = false;
  const finish = (part: string): string | undefined => {
    const whole = rest + part;
    const refused = isTooLong || whole.length > LINE_LENGTH_MAX;
    rest = '';
    isTooLong = false;
    return refused ? undefined : whole.replace(/\r$/, '');
  };
  const input = handle.createReadStream({ autoClose: false, start: 0, encoding: 'utf8' });
  for await (const chunk of input as AsyncIterable<string>) {
    const parts = chunk.split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) yield finish(part);
    rest += last;
    if (rest.length > LINE_LENGTH_MAX) {
      rest = '';
      isTooLong = true;
    }
  }
  if (rest !== '' || isTooLong) yield finish('');
}
