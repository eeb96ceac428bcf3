import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { toMs } from './durations.ts';
import { type Json, toJson } from './json.ts';
import type { FilePool } from './pools.ts';
import type { Queue, RawSettings } from './settings-schema.ts';

/** Everything that can be configured, checked and frozen; durations are milliseconds, paths are absolute. */
export interface Config {
  /** Marks everything that this installation makes in a cloud. */
  readonly installation: string;
  readonly log: { readonly level: string };
  /** Port 0 takes any that is free. */
  readonly http: { readonly host: string; readonly port: number };
  /** Without it PostgreSQL is embedded. */
  readonly databaseUrl?: string;
  /** Past the pooler that `databaseUrl` leads to. */
  readonly databaseDirectUrl?: string;
  /** Without it Redis is embedded. */
  readonly redisUrl?: string;
  readonly redisPrefix: string;
  /** The pools file and what it holds; without one there are only pools that the API made, or the embedded example. */
  readonly poolsFile?: string;
  readonly pools?: readonly FilePool[];
  /** Nothing is launched while the whole fleet's machines have existed for this many hours since midnight UTC; no limit without it. */
  readonly maxMachineHoursPerDay?: number;
  /** Where a token that drover made is written. */
  readonly tokenFile: string;
  /** Who may use the API, by the SHA-256 of their tokens in hexadecimal; DROVER_TOKEN is among them. */
  readonly tokens: readonly { readonly owner: string; readonly sha256: string; readonly operator: boolean }[];
  readonly client: ClientSettings;
  /** The domain's WorkSettings. */
  readonly work: {
    readonly claimMs: number;
    readonly windowMs: number;
    readonly reconcileMs: number;
    readonly sweepMs: number;
    readonly sweepGraceMs: number;
    readonly retentionMs: number;
  };
  /** Jobs that one process works on at once, by queue. */
  readonly concurrency: Readonly<Record<Queue, number>>;
  /** Where embedded servers find programs and keep files; absent where the environment does not say. */
  readonly places: {
    readonly stateDir?: string;
    readonly cacheDir?: string;
    readonly home?: string;
    readonly stateHome?: string;
    readonly cacheHome?: string;
    readonly searchPath?: string;
  };
  /** Each provider's own section, checked by its own schema; `{}` where there is none. */
  readonly providers: Readonly<Record<string, Json>>;
  /** What looks like a mistake but harms nothing, for the log. */
  readonly warnings: readonly string[];
}

export interface ClientSettings {
  readonly url: string;
  readonly token?: string;
}

/** The owner that DROVER_TOKEN acts as. */
const TOKEN_OWNER = 'operator';

/** Makes the configuration of settings that have passed their schema; `cwd` names the checkout. */
export function toConfig(
  raw: RawSettings,
  cwd: string,
): Omit<Config, 'pools' | 'poolsFile' | 'tokenFile' | 'warnings'> {
  const installation = raw.installation ?? embeddedInstallation(cwd);
  return {
    installation,
    log: raw.log,
    http: raw.http,
    ...(raw.databaseUrl === undefined ? {} : { databaseUrl: raw.databaseUrl }),
    ...(raw.databaseDirectUrl === undefined ? {} : { databaseDirectUrl: raw.databaseDirectUrl }),
    ...(raw.redisUrl === undefined ? {} : { redisUrl: raw.redisUrl }),
    redisPrefix: raw.redisPrefix ?? installation,
    ...(raw.maxMachineHoursPerDay === undefined ? {} : { maxMachineHoursPerDay: raw.maxMachineHoursPerDay }),
    tokens: [...raw.tokens, ...ownToken(raw.client.token)],
    client: toClient(raw.client),
    work: {
      claimMs: toMs(raw.work.claim),
      windowMs: toMs(raw.work.window),
      reconcileMs: toMs(raw.work.reconcile),
      sweepMs: toMs(raw.work.sweep),
      sweepGraceMs: toMs(raw.work.sweepGrace),
      retentionMs: toMs(raw.work.retention),
    },
    concurrency: raw.concurrency,
    places: raw.places,
    providers: toSections(raw.providers),
  };
}

export function toClient(raw: RawSettings['client']): ClientSettings {
  return { url: raw.url, ...(raw.token === undefined ? {} : { token: raw.token }) };
}

function toSections(raw: Record<string, unknown>): Record<string, Json> {
  return Object.fromEntries(Object.entries(raw).map(([name, section]) => [name, toJson(section)] as const));
}

/** Of a run with an embedded database, whose id no other checkout on any machine shares. */
function embeddedInstallation(cwd: string): string {
  const digest = createHash('sha256')
    .update(`${hostname()}:${resolve(cwd)}`)
    .digest('hex');
  return `drover-${digest.slice(0, 8)}`;
}

function ownToken(token: string | undefined): Config['tokens'] {
  if (token === undefined) return [];
  return [{ owner: TOKEN_OWNER, sha256: createHash('sha256').update(token).digest('hex'), operator: true }];
}
