import { setTimeout as delay } from 'node:timers/promises';
import { ClientError } from './client-error.ts';

export interface CallSettings {
  url: string;
  token: string;
  fetch: typeof fetch;
  now: () => number;
  /** A number from 0 up to 1, which spreads retries. */
  random: () => number;
}

export interface Call {
  method: 'GET' | 'POST';
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** Try again for this long after the first try. */
  retryForMs: number;
  /** How long one try may take. */
  attemptMs: number;
}

export type Answer = (call: Call) => Promise<unknown>;

const FIRST_PAUSE_MS = 200;
const PAUSE_MAX_MS = 5000;
const ATTEMPTS_MAX = 1000;

/**
 * Sends calls that are safe to send again, and sends them again while the fleet is away (503, 429, no answer),
 * waiting longer each time or as long as the fleet asked. Throws ClientError alone.
 */
export function createCalls(settings: CallSettings): Answer {
  const base = toBase(settings.url);
  return async (call) => {
    const until = settings.now() + call.retryForMs;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const tried = await attemptOnce({ settings, base, call });
      if ('body' in tried) return tried.body;
      const spread = 0.5 + settings.random() / 2;
      const pauseMs = Math.max(tried.askedMs, spread * Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** attempt));
      if (!tried.again || settings.now() + pauseMs > until) throw tried.error;
      await pause(pauseMs, call.signal);
    }
    throw new ClientError('The fleet could not be reached.', { code: 'deadline', status: 0 });
  };
}

function toBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') {
    throw new ClientError(`${url} is no address of a fleet; it begins with http:// or https://.`, {
      code: 'invalid_url',
      status: 0,
    });
  }
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

type Tried = { body: unknown } | { error: ClientError; again: boolean; askedMs: number };

async function attemptOnce(act: { settings: CallSettings; base: URL; call: Call }): Promise<Tried> {
  const { settings, base, call } = act;
  throwIfAborted(call.signal);
  const timeUp = AbortSignal.timeout(call.attemptMs);
  const signal = call.signal === undefined ? timeUp : AbortSignal.any([call.signal, timeUp]);
  try {
    const response = await settings.fetch(toUrl(base, call), { ...toInit(settings, call), signal });
    return await read(response);
  } catch (cause) {
    throwIfAborted(call.signal);
    const why = cause instanceof Error ? reasonOf(cause) : String(cause);
    const message = `No answer from ${base.origin}: ${timeUp.aborted ? 'it took too long' : why}.`;
    const hint = 'Check that the fleet is running, and its address.';
    return {
      error: new ClientError(message, { code: 'network', status: 0, hint, cause }),
      again: true,
      askedMs: 0,
    };
  }
}

function toUrl(base: URL, { path, query = {} }: Call): URL {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

function toInit(settings: CallSettings, call: Call): RequestInit {
  return {
    method: call.method,
    // The token goes to the address it was given for and nowhere else.
    redirect: 'error',
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${settings.token}`,
      ...(call.body !== undefined && { 'content-type': 'application/json' }),
      ...(call.idempotencyKey !== undefined && { 'idempotency-key': call.idempotencyKey }),
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
  };
}

async function read(response: Response): Promise<Tried> {
  const text = await response.text();
  const body = parse(text);
  if (response.ok && body !== undefined) return { body };
  const { status } = response;
  const askedMs = Math.max(0, Number(response.headers.get('retry-after') ?? 0) * 1000) || 0;
  return { error: toClientError(status, body), again: status === 503 || status === 429, askedMs };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toClientError(status: number, body: unknown): ClientError {
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : undefined;
  const text = (name: string) => (typeof error?.[name] === 'string' ? error[name] : undefined);
  const message = text('message') ?? `The answer (${status}) is not one of a drover fleet.`;
  const code = text('code') ?? 'protocol';
  return new ClientError(message, { code, status, hint: text('hint'), outcome: text('outcome') });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** undici says "fetch failed"; its cause says why. */
function reasonOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new ClientError('The call was broken off.', { code: 'aborted', status: 0, cause: signal.reason });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    throwIfAborted(signal);
  }
}
