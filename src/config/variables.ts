import type { Environment } from './environment.ts';
import { nearest } from './did-you-mean.ts';
import { fieldOf, isRecord } from './json.ts';
import type { Path } from './schema-check.ts';

/** A setting that a variable sets. */
export interface Variable {
  name: string;
  path: readonly string[];
  schema: Readonly<Record<string, unknown>>;
}

/** Every setting of a schema that a variable sets, in the schema's order. */
export function variablesOf(schema: unknown, path: readonly string[] = []): Variable[] {
  const properties = fieldOf(schema, 'properties');
  if (!isRecord(properties)) return [];
  return Object.entries(properties).flatMap(([key, property]) => {
    const here = [...path, key];
    const name = fieldOf(property, 'x-variable');
    if (typeof name === 'string' && isRecord(property)) return [{ name, path: here, schema: property }];
    return variablesOf(property, here);
  });
}

/**
 * Puts what variables say over what a file says; an empty variable says nothing. `origins` names the variable of each
 * path that came from one.
 */
export function overlay(
  file: unknown,
  variables: readonly Variable[],
  env: Environment,
): { value: unknown; origins: ReadonlyMap<string, string> } {
  const value: unknown = structuredClone(file);
  const origins = new Map<string, string>();
  for (const variable of variables) {
    const text = env[variable.name];
    if (text === undefined || text === '') continue;
    if (put(value, variable.path, toTyped(text, variable.schema)))
      origins.set(pathKey(variable.path), variable.name);
  }
  return { value, origins };
}

export function pathKey(path: Path): string {
  return path.join('.');
}

/** Variables that look like settings but set nothing: said as warnings, since other programs may own them. */
export function unknownVariables(
  variables: readonly Variable[],
  env: Environment,
  others: readonly string[],
): string[] {
  const known = [...variables.map(({ name }) => name), ...others];
  return Object.keys(env)
    .filter((name) => name.startsWith('DROVER_') && !known.includes(name))
    .map((name) => {
      const near = nearest(name, known);
      return `${name} sets nothing${near === undefined ? '; remove it' : `; did you mean ${near}?`}`;
    });
}

/** False where the file has something else in the way: its own mistake is told instead. */
function put(root: unknown, path: readonly string[], value: unknown): boolean {
  let at = root;
  for (const key of path.slice(0, -1)) {
    if (!isRecord(at)) return false;
    at = at[key] ??= {};
  }
  const last = path.at(-1);
  if (!isRecord(at) || last === undefined) return false;
  at[last] = value;
  return true;
}

/** A number where the setting takes one and the text is one; any other text is left for the schema to refuse. */
function toTyped(text: string, schema: Variable['schema']): unknown {
  const takesNumber = schema['type'] === 'integer' || 'x-duration' in schema;
  return takesNumber && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
