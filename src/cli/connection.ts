import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createClient, type Client } from '../client/client.ts';
import { UsageError, type CliContext } from './cli-context.ts';

const RUN_FILE = join('.drover', 'run.json');
/** Long enough for a restart, short enough for somebody who watches. */
const RETRY_FOR_MS = 5000;
const HOW = 'Set DROVER_URL and DROVER_TOKEN, or run this where an embedded fleet (npm start) is running.';

/**
 * The fleet this command talks to: DROVER_URL and DROVER_TOKEN, or the embedded run of the current folder. The
 * embedded run's token is only ever sent to the embedded run's own address.
 */
export async function connect(context: Pick<CliContext, 'env' | 'cwd'>): Promise<Client> {
  const url = filled(context.env['DROVER_URL']);
  const token = filled(context.env['DROVER_TOKEN']);
  if (url !== undefined && token !== undefined) return open({ url, token });
  const run = await readRun(context.cwd);
  if (run === undefined) throw new UsageError(missing(url, token));
  if (url !== undefined && url !== run.url) {
    throw new UsageError(`DROVER_URL is ${url} but DROVER_TOKEN is not set. ${HOW}`);
  }
  return open({ url: run.url, token: token ?? (await readToken(run.tokenFile)) });
}

function open(settings: { url: string; token: string }): Client {
  try {
    return createClient({ ...settings, retryForMs: RETRY_FOR_MS });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function filled(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function missing(url: string | undefined, token: string | undefined): string {
  if (url !== undefined) return `DROVER_URL is set but DROVER_TOKEN is not. ${HOW}`;
  if (token !== undefined) return `DROVER_TOKEN is set but DROVER_URL is not. ${HOW}`;
  return `No fleet to talk to. ${HOW}`;
}

interface Run {
  url: string;
  tokenFile: string;
}

/** What the embedded run wrote about itself; a relative `tokenFile` counts from the folder of the file naming it. */
async function readRun(cwd: string): Promise<Run | undefined> {
  const path = resolve(cwd, RUN_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new UsageError(`Cannot read ${path}: ${error.message}. ${HOW}`, { cause: error });
  });
  if (text === undefined) return undefined;
  const run = parse(text);
  if (run === undefined) throw new UsageError(`${path} does not say {"url", "tokenFile"}. ${HOW}`);
  return { url: run.url, tokenFile: resolve(dirname(path), run.tokenFile) };
}

function parse(text: string): Run | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('url' in value) || !('tokenFile' in value))
      return undefined;
    const { url, tokenFile } = value;
    return typeof url === 'string' && typeof tokenFile === 'string' ? { url, tokenFile } : undefined;
  } catch {
    return undefined;
  }
}

async function readToken(path: string): Promise<string> {
  const token = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Cannot read the token in ${path}: ${error.message}. ${HOW}`, { cause: error });
  });
  if (token.trim() === '') throw new UsageError(`The token file ${path} is empty. ${HOW}`);
  return token.trim();
}
