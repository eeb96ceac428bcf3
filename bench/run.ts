import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { readEnvironment } from '../src/config.ts';
import { findPlaces, placeHints } from '../src/embedded/places.ts';
import { startServers, type Servers } from '../src/embedded/servers.ts';
import { migrate } from '../src/storage/migrate.ts';
import type { Benchmark, BenchServers } from './benchmark.ts';
import { chains } from './chains.ts';
import { toReport, writeReport } from './report.ts';

/** Every benchmark, with how often and how much it runs unless told otherwise. */
const BENCHMARKS: Readonly<Record<string, { run: Benchmark; pairs: number; size: number }>> = {
  chains: { run: chains, pairs: 9, size: 2000 },
};

const STOPPING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
});

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { report: { type: 'string' }, pairs: { type: 'string' }, size: { type: 'string' } },
  });
  const [name = '', ...more] = positionals;
  const known = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
  if (known === undefined || more.length > 0) {
    say(`name one benchmark of: ${Object.keys(BENCHMARKS).join(', ')}`);
    return 2;
  }
  const options = { pairs: toCount(values.pairs, known.pairs), size: toCount(values.size, known.size), say };
  const measured = await withServers((servers) => known.run(servers, options));
  const report = toReport(name, measured);
  console.log(JSON.stringify(report, null, 2));
  if (values.report !== undefined) await writeReport(values.report, report);
  return 0;
}

function say(line: string): void {
  process.stderr.write(`drover: ${line}\n`);
}

function toCount(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`${text} is no count: give a whole number from 1 to 999999`);
}

/** Runs `work` on embedded servers, or on those of DATABASE_URL and REDIS_URL; leaves nothing behind on either. */
async function withServers<T>(work: (servers: BenchServers) => Promise<T>): Promise<T> {
  const env = readEnvironment();
  const stopped = new AbortController();
  for (const signal of STOPPING_SIGNALS) {
    process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
  }
  const servers = await startServers({
    databaseUrl: env['DATABASE_URL'] || undefined,
    redisUrl: env['REDIS_URL'] || undefined,
    places: await findPlaces(placeHints(env, fileURLToPath(new URL('..', import.meta.url)))),
    persistent: false,
    onProgress: say,
    signal: stopped.signal,
  });
  const name = `drover_bench_${randomBytes(4).toString('hex')}`;
  const url = new URL(servers.databaseUrl);
  url.pathname = `/${name}`;
  try {
    await query(servers.databaseUrl, `create database ${name}`);
    await migrate(url.href);
    const run = work({ databaseUrl: url.href, redisUrl: servers.redisUrl, prefix: name });
    return await Promise.race([run, aborted(stopped.signal)]);
  } finally {
    await clear(servers, name).catch((error: unknown) => say(`could not tidy up: ${String(error)}`));
    await servers.stop();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Servers that were given are left as they were found. */
async function clear(servers: Servers, name: string): Promise<void> {
  await query(servers.databaseUrl, `drop database if exists ${name} with (force)`);
  const redis = new Redis(servers.redisUrl);
  try {
    for await (const keys of redis.scanStream({ match: `*${name}*`, count: 1000 })) {
      if (Array.isArray(keys) && keys.length > 0) await redis.unlink(keys as string[]);
    }
  } finally {
    redis.disconnect();
  }
}

async function query(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
