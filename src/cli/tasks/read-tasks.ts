import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { readCsvRows } from './csv-rows.ts';
import { readJsonlRows } from './jsonl-rows.ts';
import { PROBLEMS_LISTED, TaskFileError } from './task-file-error.ts';
import type { RowProblem, RowReading, Task, TaskOptions } from './task.ts';

/**
 * The tasks of a file, in its order: `.csv` with the columns of the Azure trace or `arrival_seconds`, `hold_seconds`,
 * `pool` | `platform`, `arch`, `tags`, and `priority`; `.jsonl` with the same in camel case. The whole file is read
 * and checked before the first task comes out, in bounded memory. Throws a TaskFileError with up to 50 problems.
 */
export async function* readTasks(file: string, options: TaskOptions = {}): AsyncGenerator<Task, void> {
  await checkTasks(file, options);
  for await (const reading of readInOrder(file, options)) {
    // Only a file that was changed since it was checked gets here.
    if (reading.problems !== undefined) throw new TaskFileError(file, reading.problems);
    yield reading.task;
  }
}

async function checkTasks(file: string, options: TaskOptions): Promise<void> {
  const problems: RowProblem[] = [];
  let tasks = 0;
  for await (const reading of readInOrder(file, options)) {
    if (reading.problems === undefined) tasks += 1;
    else problems.push(...reading.problems);
    if (problems.length >= PROBLEMS_LISTED) break;
  }
  if (problems.length > 0) throw new TaskFileError(file, problems.slice(0, PROBLEMS_LISTED));
  if (tasks === 0) throw new TaskFileError(file, [whole('holds no tasks: give it one row at least')]);
}

/** Tasks are replayed as they are read, so that a row may not arrive before the one above it. */
async function* readInOrder(file: string, options: TaskOptions): AsyncGenerator<RowReading> {
  let last = 0;
  for await (const reading of readRows(file, options)) {
    const { task } = reading;
    if (task === undefined) {
      yield reading;
    } else if (task.arrivalSeconds < last) {
      const rule = `must not go back (${task.arrivalSeconds} s after ${last} s): sort the rows by arrival`;
      yield { problems: [{ line: task.line, field: 'arrival', rule }] };
    } else {
      last = task.arrivalSeconds;
      yield reading;
    }
  }
}

async function* readRows(file: string, options: TaskOptions): AsyncGenerator<RowReading> {
  const read = READERS[extname(file).toLowerCase()];
  if (read === undefined) throw new TaskFileError(file, [whole('must be a .csv, .jsonl or .ndjson file')]);
  const handle = await openFile(file);
  try {
    yield* read(handle, options);
  } finally {
    await handle.close();
  }
}

const READERS: Readonly<Record<string, typeof readCsvRows>> = {
  '.csv': readCsvRows,
  '.jsonl': readJsonlRows,
  '.ndjson': readJsonlRows,
};

async function openFile(file: string): ReturnType<typeof open> {
  try {
    const handle = await open(file);
    const stats = await handle.stat();
    if (stats.isFile()) return handle;
    await handle.close();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    throw new TaskFileError(file, [whole(`cannot be read (${code}): check its path and permissions`)]);
  }
  throw new TaskFileError(file, [whole('must be a plain file: it is read twice')]);
}

function whole(rule: string): RowProblem {
  return { line: 1, field: 'the file', rule };
}
