import { type Json, toJson } from './json.ts';
import { poolsFileSchema } from './pool-schema.ts';
import type { ProviderRules } from './provider-rules.ts';

/**
 * The JSON Schema of the pools file, for editors. It says what a person has to write: fields with a default are not
 * required, and what only drover's own checks know (`x-` keywords) is left out.
 */
export function poolsJsonSchema(providers: readonly ProviderRules[]): Json {
  const schema = forEditors(toJson(poolsFileSchema(providers)));
  if (!isObject(schema)) throw new TypeError('the schema of the pools file is no object');
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...schema };
}

const OURS = /^x-|^discriminator$/;

function forEditors(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(forEditors);
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema).filter(([key]) => !OURS.test(key));
  const result = Object.fromEntries(
    kept.map(([key, value]) => [key, isData(key) ? value : forEditors(value)]),
  );
  const { required, properties } = result;
  if (!Array.isArray(required) || !isObject(properties)) return result;
  result['required'] = required.filter((key) => typeof key !== 'string' || !hasDefault(properties[key]));
  return result;
}

/** Keywords whose value is a value of the file, not a schema. */
function isData(key: string): boolean {
  return ['default', 'examples', 'enum', 'const', 'required'].includes(key);
}

function hasDefault(schema: Json | undefined): boolean {
  return isObject(schema) && 'default' in schema;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
