import { Ajv, type ErrorObject, type SchemaValidateFunction, type ValidateFunction } from 'ajv';
import type { Static, TSchema } from 'typebox';
import { suggest } from './did-you-mean.ts';
import { type DurationLimits, parseDuration } from './durations.ts';
import { fieldOf, isRecord } from './json.ts';
import { explain, maskable } from './explain.ts';
import { parseRedisAddress, RedisAddressError } from './redis-address.ts';

export type Path = readonly (string | number)[];

/** One thing about a value that its schema does not allow. */
export interface Fault {
  path: Path;
  /** Whether the fault is the key itself or what stands behind it. */
  at: 'key' | 'value';
  rule: string;
  fix: string;
}

export type Checked<T> = { faults: readonly []; value: T } | { faults: readonly Fault[]; value: undefined };

/**
 * Makes the check of one schema: it answers a copy with the schema's defaults filled in, or every fault at once.
 * Own keywords: `x-duration`, `x-url` and `x-redis` (limits of such values), `x-rule` and `x-fix` (the rule and the remedy in words), `x-secret` (never
 * repeated in a message), `x-variable` (the environment variable that sets it).
 */
export function createCheck<S extends TSchema>(schema: S): (value: unknown) => Checked<Static<S>> {
  const validate = compile<Static<S>>(schema);
  return (value) => {
    const copy: unknown = structuredClone(value);
    if (validate(copy)) return { faults: [], value: copy };
    return { faults: toFaults(validate.errors ?? []), value: undefined };
  };
}

function compile<T>(schema: TSchema): ValidateFunction<T> {
  const ajv = new Ajv({
    allErrors: true,
    strict: false,
    discriminator: true,
    useDefaults: true,
    verbose: true,
  });
  ajv.addKeyword({ keyword: 'x-duration', validate: isDuration });
  ajv.addKeyword({ keyword: 'x-url', type: 'string', validate: isUrl });
  ajv.addKeyword({ keyword: 'x-redis', type: 'string', validate: isRedisAddress, errors: true });
  return ajv.compile<T>(schema);
}

function isDuration(limits: DurationLimits, value: unknown): boolean {
  const ms = parseDuration(value);
  return ms !== undefined && ms >= limits.minMs && ms <= limits.maxMs;
}

function isUrl(protocols: readonly string[], value: string): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** What exactly is wrong goes along as the error's parameters. */
const isRedisAddress: SchemaValidateFunction = (_limits: unknown, value: string): boolean => {
  try {
    parseRedisAddress(value);
    return true;
  } catch (error) {
    if (!(error instanceof RedisAddressError)) throw error;
    isRedisAddress.errors = [{ keyword: 'x-redis', params: { rule: error.rule, fix: error.fix } }];
    return false;
  }
};

/**
 * One fault per place; the branches of a choice that failed are left out. What a choice of branches goes by comes
 * first: where it is missing, its rule names the branches there are.
 */
function toFaults(errors: readonly ErrorObject[]): Fault[] {
  const choices = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  const told = errors.filter((error) => !choices.some((choice) => isBranchOf(error, choice)));
  const tags = told.filter(({ keyword }) => keyword === 'discriminator');
  const others = told.filter(({ keyword }) => keyword !== 'discriminator' && keyword !== 'if');
  const seen = new Set<string>();
  return [...tags, ...others].map(toFault).filter((fault) => {
    const key = JSON.stringify(fault.path);
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

function isBranchOf(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    error !== choice &&
    error.schemaPath.startsWith(`${choice.schemaPath}/`) &&
    error.instancePath.startsWith(choice.instancePath)
  );
}

function toFault(error: ErrorObject): Fault {
  const path = toPath(error.instancePath);
  const params: Record<string, unknown> = error.params;
  switch (error.keyword) {
    case 'required':
      return missing(path, error);
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      const known = knownKeys(error.parentSchema);
      const rule = 'is not a known key';
      return {
        path: [...path, key],
        at: 'key',
        rule,
        fix: maskable(key) ? 'remove it' : suggest(key, known),
      };
    }
    case 'discriminator':
      return { path: [...path, String(params['tag'])], at: 'value', ...explain(error) };
    case 'uniqueItems':
      return {
        path: [...path, Math.max(Number(params['i']), Number(params['j']))],
        at: 'value',
        rule: 'is there twice',
        fix: 'remove one of the two',
      };
    default:
      return { path, at: 'value', ...explain(error) };
  }
}

/** The place of a missing key is what it is missing from; its path names the key. */
function missing(path: Path, error: ErrorObject): Fault {
  const key = String(fieldOf(error.params, 'missingProperty'));
  const schema = propertiesOf(error.parentSchema)[key];
  const examples = fieldOf(schema, 'examples');
  const description = fieldOf(schema, 'description');
  const example = Array.isArray(examples) && examples.length > 0 ? ` ${JSON.stringify(examples[0])}` : '';
  const about = typeof description === 'string' ? ` (${description})` : '';
  return { path: [...path, key], at: 'key', rule: 'is missing', fix: `add "${key}:${example}"${about}` };
}

function knownKeys(schema: unknown): string[] {
  return Object.keys(propertiesOf(schema));
}

function propertiesOf(schema: unknown): Record<string, unknown> {
  const properties = fieldOf(schema, 'properties');
  return isRecord(properties) ? properties : {};
}

/** Numbers among a pointer's parts are items of a list: no key of ours is a number. */
function toPath(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}
