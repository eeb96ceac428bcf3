import type { FileHandle } from 'node:fs/promises';
import { suggest } from '../../config/did-you-mean.ts';
import { isRecord } from '../../config/json.ts';
import { LINE_LENGTH_MAX, numberedLines } from './numbered-lines.ts';
import { readFields, TASK_FIELDS } from './task-fields.ts';
import type { RowReading, TaskOptions } from './task.ts';

/** The rows of a file with one JSON object a line; empty lines are passed over. */
export async function* readJsonlRows(handle: FileHandle, options: TaskOptions): AsyncGenerator<RowReading> {
  for await (const { line, text } of numberedLines(handle)) yield readLine(text, line, options);
}

function readLine(text: string | undefined, line: number, options: TaskOptions): RowReading {
  const refuse = (rule: string): RowReading => ({ problems: [{ line, field: 'the row', rule }] });
  if (text === undefined) return refuse(`must have at most ${LINE_LENGTH_MAX} characters`);
  const fields = parseJson(text);
  if (!isRecord(fields))
    return refuse('must be one JSON object on one line, such as {"arrivalSeconds": 0, ...}');
  const unknown = Object.keys(fields)
    .filter((key) => !TASK_FIELDS.some((field) => field === key))
    .map((key) => ({
      line,
      field: `"${key.slice(0, 40)}"`,
      rule: `is not a known key: ${suggest(key, TASK_FIELDS)}`,
    }));
  const reading = readFields({ fields, line, nameOf: (field) => field }, options);
  return unknown.length === 0 ? reading : { problems: [...unknown, ...(reading.problems ?? [])] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
