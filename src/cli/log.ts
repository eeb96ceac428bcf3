import { pino } from 'pino';
import type { Log } from '../main.ts';

/** Names of fields that may hold a secret, wherever they stand in what is logged. */
const SECRET = [
  'token',
  'password',
  'secret',
  'clientSecret',
  'authorization',
  'databaseUrl',
  'databaseDirectUrl',
  'redisUrl',
  'connectionString',
  // What Redis refused, arguments and all: a password where it was that.
  'command',
];

/** One JSON object a line, on standard error. A field that could hold a secret is left out. */
export function createLog(options: { level: string; name: string }): Log {
  const paths = SECRET.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  const destination = pino.destination({ fd: 2, sync: true });
  return pino(
    { level: options.level, base: { name: options.name }, redact: { paths, remove: true } },
    destination,
  );
}
