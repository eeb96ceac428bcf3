/** What a command may touch: nothing else of the process it runs in. */
export interface CliContext {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Writes a line to where results go. */
  out(line: string): void;
  /** Writes a line to where people are told things. */
  err(line: string): void;
  /** Set by a command; 0 unless it is. */
  exitCode: number;
}

/** Wrong arguments or settings: told as it is, without a stack. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}
