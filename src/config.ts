import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { type FilePool, parsePools } from './config/pools.ts';
import { sayKey } from './config/explain.ts';
import { fieldOf } from './config/json.ts';
import { ConfigError, inFileOrder, PoolsFileError, type Problem } from './config/problem.ts';
import type { ProviderRules } from './config/provider-rules.ts';
import { parseRedisAddress } from './config/redis-address.ts';
import { createCheck } from './config/schema-check.ts';
import { type ClientSettings, type Config, toClient, toConfig } from './config/settings.ts';
import { clientSchema, type RawSettings, settingsSchema } from './config/settings-schema.ts';
import type { Environment } from './config/environment.ts';
import { overlay, pathKey, unknownVariables, variablesOf } from './config/variables.ts';
import { readYaml, type YamlSource } from './config/yaml-source.ts';

export { describeConfig } from './config/describe-config.ts';
export { ConfigError, PoolsFileError, type Problem, sayProblem } from './config/problem.ts';
export type { ProviderRules } from './config/provider-rules.ts';
export { parseRedisAddress } from './config/redis-address.ts';
export type { ClientSettings, Config } from './config/settings.ts';
export { type Environment, readEnvironment } from './config/environment.ts';

export interface ConfigSources {
  env: Environment;
  /** Where relative paths in variables start, and where drover.yaml and pools.yaml are looked for. */
  cwd: string;
  /** The configuration file, instead of DROVER_CONFIG and ./drover.yaml. */
  file?: string;
  /** The providers' own schemas: their modules fit as they are. */
  providers: readonly ProviderRules[];
}

/** Names the configuration file. */
const FILE_VARIABLE = 'DROVER_CONFIG';

/**
 * Reads variables, drover.yaml and pools.yaml into one frozen configuration; variables win over the file, the file
 * over defaults. Throws one ConfigError with every mistake in all three, never with a secret in it.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const file = await readSettingsFile(sources);
  const settings = checkSettings(sources, file);
  const problems = [...file.problems, ...settings.problems];
  const pools = await loadPools(sources, settings.poolsFile);
  problems.push(...pools.problems);
  if (settings.raw === undefined || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({
    ...toConfig(settings.raw, sources.cwd),
    tokenFile: settings.tokenFile,
    ...(pools.file === undefined ? {} : { poolsFile: pools.file }),
    ...(pools.pools === undefined ? {} : { pools: pools.pools }),
    warnings: settings.warnings,
  });
}

/** Where the command line's server is and its token: from variables alone. Throws ConfigError. */
export function loadClientSettings(env: Environment): ClientSettings {
  const schema = clientSchema();
  const { value, origins } = overlay({}, variablesOf(schema), env);
  const checked = createCheck(schema)(value);
  if (checked.value !== undefined) return deepFreeze(toClient(checked.value.client));
  throw new ConfigError(
    checked.faults.map(({ path, rule, fix }) => {
      const where = origins.get(pathKey(path)) ?? 'the environment';
      return { where, line: null, column: null, subject: pathKey(path), rule, fix };
    }),
  );
}

interface SettingsFile {
  /** Where relative paths in it start. */
  folder: string;
  source: YamlSource | undefined;
  problems: readonly Problem[];
}

async function readSettingsFile({ env, cwd, file }: ConfigSources): Promise<SettingsFile> {
  const named = file ?? (env[FILE_VARIABLE] || undefined);
  const path = resolve(cwd, named ?? 'drover.yaml');
  const folder = dirname(path);
  const text = await readOptional(path);
  if (text.found !== undefined) {
    const source = readYaml(text.found, sayPath(cwd, path));
    return { folder, source, problems: source.problems };
  }
  if (named === undefined && text.code === 'ENOENT') return { folder, source: undefined, problems: [] };
  const where = file === undefined && named !== undefined ? FILE_VARIABLE : sayPath(cwd, path);
  return { folder, source: undefined, problems: [unreadable(where, path, text.code)] };
}

interface CheckedSettings {
  raw: RawSettings | undefined;
  problems: Problem[];
  warnings: readonly string[];
  tokenFile: string;
  poolsFile: { path: string; isNamed: boolean; where: string };
}

function checkSettings(sources: ConfigSources, file: SettingsFile): CheckedSettings {
  const schema = settingsSchema(sources.providers);
  const variables = variablesOf(schema);
  // A file with an error of syntax has no value: what variables say is checked all the same.
  const inFile: unknown = file.source?.value ?? {};
  const { value, origins } = overlay(inFile, variables, sources.env);
  const checked = createCheck(schema)(value);
  const problems = checked.faults.map((fault): Problem => {
    const subject = fault.path.map((part) => sayKey(String(part))).join('.');
    const variable = origins.get(pathKey(fault.path));
    if (variable === undefined && file.source !== undefined)
      return file.source.locate(fault, subject || 'the file');
    const where = variable ?? 'the environment';
    return { where, line: null, column: null, subject, rule: fault.rule, fix: fault.fix };
  });
  // What the file says starts at the file's folder; variables and defaults start where the program does.
  const from = (key: string): string =>
    origins.has(key) || textAt(inFile, key) === undefined ? sources.cwd : file.folder;
  const named = textAt(value, 'pools');
  return {
    raw: checked.value,
    problems: [
      ...inFileOrder(problems),
      ...needInstallation(value),
      ...needPooler(checked.value),
      ...needHashTag(checked.value),
    ],
    warnings: unknownVariables(variables, sources.env, [FILE_VARIABLE]),
    tokenFile: resolve(from('tokenFile'), checked.value?.tokenFile ?? ''),
    poolsFile: {
      path: resolve(from('pools'), named ?? 'pools.yaml'),
      isNamed: named !== undefined,
      where: origins.get('pools') ?? 'pools',
    },
  };
}

/** Sweeps delete what carries the id: one that is made up anew on each host would forget machines that cost money. */
function needInstallation(value: unknown): Problem[] {
  if (textAt(value, 'databaseUrl') === undefined || textAt(value, 'installation') !== undefined) return [];
  return [
    {
      where: 'DROVER_INSTALLATION',
      line: null,
      column: null,
      subject: 'installation',
      rule: 'is missing although DATABASE_URL is set: it marks what is ours in a cloud',
      fix: 'set it to an id that stays, for example DROVER_INSTALLATION=detonation-1',
    },
  ];
}

/** Alone it would be used for nothing, while an embedded server is started in its place. */
function needPooler(raw: RawSettings | undefined): Problem[] {
  if (raw?.databaseDirectUrl === undefined || raw.databaseUrl !== undefined) return [];
  return [
    {
      where: 'DATABASE_URL',
      line: null,
      column: null,
      subject: 'databaseUrl',
      rule: 'is missing although DATABASE_DIRECT_URL is set',
      fix: "set it to the pooler's address; without a pooler set DATABASE_URL alone",
    },
  ];
}

/** All keys of an installation share one slot by the tag between their first braces: an empty one is none. */
function needHashTag(raw: RawSettings | undefined): Problem[] {
  if (raw?.redisUrl === undefined || raw.redisPrefix?.startsWith('}') !== true) return [];
  if (parseRedisAddress(raw.redisUrl).kind !== 'cluster') return [];
  return [
    {
      where: 'DROVER_REDIS_PREFIX',
      line: null,
      column: null,
      subject: 'redisPrefix',
      rule: 'begins with }, which on a cluster would scatter its keys',
      fix: 'let it begin with a letter or a digit',
    },
  ];
}

interface LoadedPools {
  file?: string;
  pools?: readonly FilePool[];
  problems: readonly Problem[];
}

async function loadPools(sources: ConfigSources, wanted: CheckedSettings['poolsFile']): Promise<LoadedPools> {
  const text = await readOptional(wanted.path);
  if (text.found === undefined) {
    if (!wanted.isNamed && text.code === 'ENOENT') return { problems: [] };
    return { problems: [unreadable(wanted.where, wanted.path, text.code)] };
  }
  try {
    const pools = parsePools(text.found, sayPath(sources.cwd, wanted.path), sources.providers);
    return { file: wanted.path, pools, problems: [] };
  } catch (error) {
    if (!(error instanceof PoolsFileError)) throw error;
    return { problems: error.problems };
  }
}

async function readOptional(path: string): Promise<{ found: string } | { found: undefined; code: string }> {
  try {
    return { found: await readFile(path, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { found: undefined, code };
  }
}

function unreadable(where: string, path: string, code: string): Problem {
  const fix = 'make the file readable there, or name another';
  return {
    where,
    line: null,
    column: null,
    subject: '',
    rule: `names ${path}, which cannot be read (${code})`,
    fix,
  };
}

function textAt(value: unknown, key: string): string | undefined {
  const found = fieldOf(value, key);
  return typeof found === 'string' ? found : undefined;
}

/** The shorter way to name a file: as it is seen from the working folder, unless that leads out of it. */
function sayPath(cwd: string, path: string): string {
  const below = relative(cwd, path);
  return below.startsWith('..') ? path : join(below);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) deepFreeze(field);
  }
  return value;
}
