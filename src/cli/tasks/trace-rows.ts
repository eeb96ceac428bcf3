import { sayCell } from './task-fields.ts';
import type { RowProblem, RowReading, TaskOptions } from './task.ts';

const COLUMNS = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] as const;
const STRETCH_DEFAULT = 10;

type Cells = readonly string[];

/** True for the columns of the Azure LLM inference trace, in any order. */
export function isTrace(header: Cells): boolean {
  return header.length === COLUMNS.length && COLUMNS.every((column) => header.includes(column));
}

/**
 * Makes the reader of a trace's rows as lease requests, which is only a mapping: arrival is the time since the first
 * row times the stretch, the hold 60 s and 0.05 s for each context token, the pool goes by the generated tokens, and
 * short contexts go first. Answers problems instead where the options do not do.
 */
export function createTraceReader(
  header: Cells,
  options: TaskOptions,
): ((cells: Cells, line: number) => RowReading) | Omit<RowProblem, 'line'>[] {
  const { pools = [], stretch = STRETCH_DEFAULT } = options;
  const refusals = checkOptions(pools, stretch);
  if (refusals.length > 0) return refusals;
  let first: Instant | undefined;
  return (cells, line) => {
    const row = readRow(header, cells);
    if (Array.isArray(row)) return { problems: row.map((problem) => ({ line, ...problem })) };
    first ??= row.at;
    const pool = pools[row.generatedTokens % pools.length] ?? '';
    return {
      task: {
        arrivalSeconds: sinceSeconds(first, row.at) * stretch,
        holdSeconds: 60 + 0.05 * row.contextTokens,
        selector: { pool },
        priority: row.contextTokens < 500 ? 1 : 0,
        line,
      },
    };
  };
}

function checkOptions(pools: readonly string[], stretch: number): Omit<RowProblem, 'line'>[] {
  const problems = [];
  if (pools.length === 0)
    problems.push({ field: 'the trace', rule: 'names no pools: say which it may pick from' });
  if (!(stretch > 0 && Number.isFinite(stretch))) {
    problems.push({ field: 'stretch', rule: `must be a number above 0, but is ${stretch}` });
  }
  return problems;
}

interface TraceRow {
  at: Instant;
  contextTokens: number;
  generatedTokens: number;
}

/** Whole seconds apart from their fraction: the trace tells tenths of a microsecond, which milliseconds would lose. */
interface Instant {
  seconds: number;
  fraction: number;
}

function readRow(header: Cells, cells: Cells): TraceRow | Omit<RowProblem, 'line'>[] {
  const cell = (column: (typeof COLUMNS)[number]): string => cells[header.indexOf(column)] ?? '';
  const at = parseInstant(cell('TIMESTAMP'));
  const contextTokens = parseCount(cell('ContextTokens'));
  const generatedTokens = parseCount(cell('GeneratedTokens'));
  if (at !== undefined && contextTokens !== undefined && generatedTokens !== undefined) {
    return { at, contextTokens, generatedTokens };
  }
  const problems = [];
  const seen = (column: (typeof COLUMNS)[number]): string => sayCell(cell(column));
  if (at === undefined) {
    const rule = `must be a time in UTC such as 2023-11-16 18:17:03.9799600, but is ${seen('TIMESTAMP')}`;
    problems.push({ field: 'TIMESTAMP', rule });
  }
  const counts = { ContextTokens: contextTokens, GeneratedTokens: generatedTokens } as const;
  for (const column of ['ContextTokens', 'GeneratedTokens'] as const) {
    const rule = `must be a whole number from 0 to 9999999, but is ${seen(column)}`;
    if (counts[column] === undefined) problems.push({ field: column, rule });
  }
  return problems;
}

function parseInstant(text: string): Instant | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d{1,9})?Z?$/.exec(text);
  if (match === null) return undefined;
  const whole = `${match[1]}T${match[2]}.000Z`;
  const ms = Date.parse(whole);
  // A date that does not exist, such as 30 February, is moved on rather than refused.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== whole) return undefined;
  return { seconds: ms / 1000, fraction: Number(match[3] ?? 0) };
}

function parseCount(text: string): number | undefined {
  return /^\d{1,7}$/.test(text) ? Number(text) : undefined;
}

function sinceSeconds(first: Instant, later: Instant): number {
  const seconds = later.seconds - first.seconds + (later.fraction - first.fraction);
  return Math.round(seconds * 1e7) / 1e7;
}
