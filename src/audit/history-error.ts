/** A history that cannot be judged: a malformed line, or something missing without which no verdict would be honest. */
export class HistoryError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'HistoryError';
  }
}
