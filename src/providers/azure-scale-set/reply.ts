/** An answer of Azure's, as far as anybody looks at it. */
export interface Reply {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>;
  body: unknown;
}

export function headerOf(reply: Reply, name: string): string | undefined {
  return reply.headers[name];
}

/** How long Azure asks to wait, in milliseconds; undefined where it does not say. */
export function retryAfterMs(reply: Reply, nowMs: number): number | undefined {
  const inMs = headerOf(reply, 'x-ms-retry-after-ms') ?? headerOf(reply, 'retry-after-ms');
  if (inMs !== undefined && Number.isFinite(Number(inMs))) return clamped(Number(inMs));
  const text = headerOf(reply, 'retry-after');
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text.trim())) return clamped(Number(text) * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : clamped(at - nowMs);
}

/** `{code, message}` of an error's body, at the top or below `error`; undefined where there is none. */
export function errorOf(body: unknown): { code: string; message: string } | undefined {
  const error = field(body, 'error') ?? body;
  const code = field(error, 'code');
  if (typeof code !== 'string') return undefined;
  const message = field(error, 'message');
  return { code, message: typeof message === 'string' ? message : '' };
}

export function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

const SHORTEST_MS = 250;
const LONGEST_MS = 600_000;

// "0" means "at once" to the vendor, but asking again within the same millisecond helps nobody.
function clamped(ms: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, ms));
}
