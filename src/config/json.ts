export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands under a key, undefined where the value has no keys. */
export function fieldOf(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** The value as JSON keeps it: fields that are undefined or functions are left out. */
export function toJson(value: unknown): Json {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  if (!isJson(copy)) throw new TypeError('JSON that was just written reads as something else');
  return copy;
}

function isJson(value: unknown): value is Json {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isJson);
  return isRecord(value) && Object.values(value).every(isJson);
}
