/** One mistake in what somebody configured: where it is, the rule it breaks and what to do about it. */
export interface Problem {
  /** The variable's name, or the file with line and column (`pools.yaml:3:5`). */
  where: string;
  /** From 1; null for a variable or a whole file. */
  line: number | null;
  column: number | null;
  /** What it is about: `http.port`, `pool "win10": max`; empty for a whole file. */
  subject: string;
  rule: string;
  fix: string;
}

/** The configuration cannot be used; `problems` holds every mistake that was found, never a secret. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(listProblems('the configuration cannot be used', problems));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The pools file cannot be used; `problems` holds every mistake in it, in the order of their lines. */
export class PoolsFileError extends Error {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(listProblems(`${file} cannot be used`, problems));
    this.name = 'PoolsFileError';
    this.problems = problems;
  }
}

/** One line for people: where, what, the rule and what to do. */
export function sayProblem(problem: Problem): string {
  const subject = problem.subject === '' ? '' : `${problem.subject} `;
  return `${problem.where}: ${subject}${problem.rule}; ${problem.fix}`;
}

/** By line and column; problems without a line go first, in the order they were found. */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function listProblems(headline: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`${headline}: ${count}`, ...problems.map((problem) => `  ${sayProblem(problem)}`)].join('\n');
}
