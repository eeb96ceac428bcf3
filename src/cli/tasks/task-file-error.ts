import type { RowProblem } from './task.ts';

/** The most problems that one error lists. */
export const PROBLEMS_LISTED = 50;

/** A task file cannot be used; lists the first problems in it, and nothing of it has run. */
export class TaskFileError extends Error {
  readonly file: string;
  readonly problems: readonly RowProblem[];

  constructor(file: string, problems: readonly RowProblem[]) {
    super(sayProblems(file, problems));
    this.name = 'TaskFileError';
    this.file = file;
    this.problems = problems;
  }
}

function sayProblems(file: string, problems: readonly RowProblem[]): string {
  const isCut = problems.length >= PROBLEMS_LISTED;
  const headline = isCut ? `the first ${problems.length} problems` : `problems: ${problems.length}`;
  const lines = problems.map(({ line, field, rule }) => `  ${file}:${line}: ${field} ${rule}`);
  return [`${file} holds tasks that cannot be read, nothing was run; ${headline}`, ...lines].join('\n');
}
