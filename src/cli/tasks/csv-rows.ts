import type { FileHandle } from 'node:fs/promises';
import { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { suggest } from '../../config/did-you-mean.ts';
import { LINE_LENGTH_MAX, numberedLines } from './numbered-lines.ts';
import { readFields, type TaskField } from './task-fields.ts';
import type { RowProblem, RowReading, TaskOptions } from './task.ts';
import { createTraceReader, isTrace } from './trace-rows.ts';

type Cells = readonly string[];
type ReadRow = (cells: Cells, line: number) => RowReading;

const COLUMNS: Readonly<Record<string, TaskField>> = {
  arrival_seconds: 'arrivalSeconds',
  hold_seconds: 'holdSeconds',
  pool: 'pool',
  platform: 'platform',
  arch: 'arch',
  tags: 'tags',
  priority: 'priority',
};

/** The rows of a CSV file with a header; either the trace's columns or our own, told by the header. */
export async function* readCsvRows(handle: FileHandle, options: TaskOptions): AsyncGenerator<RowReading> {
  let header: { readRow: ReadRow; columns: number } | undefined;
  for await (const { line, text } of numberedLines(handle)) {
    const cells = readCells(text);
    if (header !== undefined) {
      yield readLine(header, cells, line);
      continue;
    }
    // Without its header no row of a file can be judged.
    const chosen =
      typeof cells === 'string' ? [{ field: 'the header', rule: cells }] : chooseReader(cells, options);
    if (typeof chosen !== 'function') {
      yield { problems: chosen.map((problem) => ({ line, ...problem })) };
      return;
    }
    header = { readRow: chosen, columns: cells.length };
  }
}

function readLine(
  header: { readRow: ReadRow; columns: number },
  cells: Cells | string,
  line: number,
): RowReading {
  const refuse = (rule: string): RowReading => ({ problems: [{ line, field: 'the row', rule }] });
  if (typeof cells === 'string') return refuse(cells);
  if (cells.length === header.columns) return header.readRow(cells, line);
  return refuse(`must have ${header.columns} fields like the header, but has ${cells.length}`);
}

/** One line's cells, or the rule that it breaks. Rows end with their line, so that a broken quote spoils only its own. */
function readCells(text: string | undefined): Cells | string {
  if (text === undefined) return `must have at most ${LINE_LENGTH_MAX} characters`;
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim());
  try {
    const [cells = []] = parse(text, { relax_column_count: true, trim: true });
    return cells;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return `is not valid CSV (${error.code}): close its quotes on the same line, and double each quote within them`;
  }
}

function chooseReader(header: Cells, options: TaskOptions): ReadRow | Omit<RowProblem, 'line'>[] {
  if (isTrace(header)) return createTraceReader(header, options);
  const problems = checkHeader(header);
  return problems.length > 0 ? problems : (cells, line) => readOwnRow({ header, cells, line }, options);
}

function checkHeader(header: Cells): Omit<RowProblem, 'line'>[] {
  const known = Object.keys(COLUMNS);
  const problems = header.flatMap((column, index) => {
    const field = `column "${column.slice(0, 40)}"`;
    if (header.indexOf(column) !== index) return [{ field, rule: 'is there twice: remove one' }];
    return known.includes(column) ? [] : [{ field, rule: `is not known: ${suggest(column, known)}` }];
  });
  const missing = ['arrival_seconds', 'hold_seconds'].filter((column) => !header.includes(column));
  const rule =
    'is missing: a file has it, or the columns TIMESTAMP, ContextTokens and GeneratedTokens of a trace';
  return [...problems, ...missing.map((column) => ({ field: `column "${column}"`, rule }))];
}

interface OwnRow {
  header: Cells;
  cells: Cells;
  line: number;
}

function readOwnRow({ header, cells, line }: OwnRow, options: TaskOptions): RowReading {
  const fields: Partial<Record<TaskField, unknown>> = {};
  const columns: Partial<Record<TaskField, string>> = {};
  for (const [index, column] of header.entries()) {
    const field = COLUMNS[column];
    const cell = cells[index] ?? '';
    if (field === undefined) continue;
    columns[field] = column;
    if (cell !== '') fields[field] = toTyped(field, cell);
  }
  return readFields({ fields, line, nameOf: (field) => columns[field] ?? field }, options);
}

/** Tags stand in one cell, with blanks between them; a number that is none stays text, and is refused as such. */
function toTyped(field: TaskField, cell: string): unknown {
  if (field === 'tags') return cell.split(/\s+/);
  const isNumber = field === 'arrivalSeconds' || field === 'holdSeconds' || field === 'priority';
  return isNumber && /^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : cell;
}
