/** Something that a person has to mend: the first line of its message says what is missing and what to do. */
export class SetupError extends Error {
  /** The last lines that the server itself said, oldest first. */
  readonly log: readonly string[];

  constructor(line: string, details: { cause?: unknown; log?: readonly string[] } = {}) {
    const log = details.log ?? [];
    super([line, ...log.map((said) => `  | ${said}`)].join('\n'), { cause: details.cause });
    this.name = 'SetupError';
    this.log = log;
  }
}

/** The code of a failed system call ("EACCES"), undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
