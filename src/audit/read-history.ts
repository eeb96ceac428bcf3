import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { HistoryError } from './history-error.ts';
import type { HistoryRecord } from './history.ts';
import { isObject, RECORD_FIELDS, type FieldCheck } from './record-fields.ts';

/**
 * Reads a history of one JSON object a line (empty lines are allowed), record by record.
 * Throws HistoryError at the first malformed line, naming file, line and field; no line is ever skipped. A file that
 * cannot be read throws the file system's own error.
 */
export async function* readHistory(file: string): AsyncGenerator<HistoryRecord> {
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() !== '') yield parseRecord(line, `${file}:${number}`);
  }
}

/** Turns one line into a record. `place` says in errors where it stands. */
export function parseRecord(line: string, place: string): HistoryRecord {
  const value = parseJson(line, place);
  if (!isObject(value)) throw new HistoryError(`${place}: a history line must be a JSON object.`);
  assertRecord(value, place);
  return value;
}

function assertRecord(value: object & { type?: unknown }, place: string): asserts value is HistoryRecord {
  const fields = FIELDS.get(value.type);
  if (fields === undefined) {
    const types = [...FIELDS.keys()].join(', ');
    throw new HistoryError(`${place}: type must be one of ${types}, not ${JSON.stringify(value.type)}.`);
  }
  const given = new Map<string, unknown>(Object.entries(value));
  for (const [field, check] of Object.entries(fields)) {
    const wrong = check(given.get(field));
    if (wrong === undefined) continue;
    throw new HistoryError(`${place}: in a ${String(value.type)} record, ${joinField(field, wrong)}.`);
  }
}

const FIELDS: ReadonlyMap<unknown, Record<string, FieldCheck>> = new Map(Object.entries(RECORD_FIELDS));

function parseJson(line: string, place: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new HistoryError(`${place}: not JSON (a torn line?): ${String(cause)}`, cause);
  }
}

/** A complaint about something inside a field begins with the way to it. */
function joinField(field: string, wrong: string): string {
  return /^[.[]/.test(wrong) ? `${field}${wrong}` : `${field} ${wrong}`;
}
