/** An answer before it becomes HTTP; `body` is sent as JSON, and nothing where it is undefined. */
export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}
