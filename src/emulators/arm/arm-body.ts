import { invalidContent } from './arm-error.ts';

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands at `path` inside nested objects, or undefined. */
export function valueAt(body: unknown, path: readonly string[]): unknown {
  let value: unknown = body;
  for (const step of path) value = isObject(value) ? value[step] : undefined;
  return value;
}

/** The object at `path`; refused where something else stands there. */
export function objectAt(body: unknown, path: readonly string[]): JsonObject | undefined {
  const value = valueAt(body, path);
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw invalidContent(`${path.join('.')} must be an object`);
  return value;
}

export function stringAt(body: unknown, path: readonly string[]): string | undefined {
  const value = valueAt(body, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalidContent(`${path.join('.')} must be a string`);
  return value;
}

export function booleanAt(body: unknown, path: readonly string[]): boolean | undefined {
  const value = valueAt(body, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw invalidContent(`${path.join('.')} must be a boolean`);
  return value;
}

/** A whole number from 0 at `path`. The vendor refuses a capacity sent as text, so this does too. */
export function countAt(body: unknown, path: readonly string[]): number | undefined {
  const value = valueAt(body, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalidContent(`${path.join('.')} must be a whole number from 0`);
  }
  return value;
}

export function stringsAt(body: unknown, path: readonly string[]): string[] | undefined {
  const value = valueAt(body, path);
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalidContent(`${path.join('.')} must be a list of strings`);
  return value.map((each: unknown) => {
    if (typeof each !== 'string') throw invalidContent(`${path.join('.')} must be a list of strings`);
    return each;
  });
}

/** Refuses fields that the vendor's model does not have. */
export function refuseUnknownFields(body: JsonObject, known: readonly string[], model: string): void {
  for (const field of Object.keys(body)) {
    if (!known.includes(field)) {
      throw invalidContent(`Could not find member '${field}' on object of type '${model}'`);
    }
  }
}

/** `base` with `change` laid over it, objects merged field by field, as PATCH does. */
export function merged(base: JsonObject, change: JsonObject): JsonObject {
  const result: JsonObject = { ...base };
  for (const [field, value] of Object.entries(change)) {
    const before = result[field];
    result[field] = isObject(before) && isObject(value) ? merged(before, value) : value;
  }
  return result;
}
