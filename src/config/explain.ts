import type { ErrorObject } from 'ajv';
import { nearest } from './did-you-mean.ts';
import { fieldOf, isRecord } from './json.ts';

const SECRET_NAME = /pass|secret|token|credential|private|key$|auth/i;

/** The rule that a value breaks, in words, and what to do about it. Repeats the value only where it is no secret. */
export function explain(error: ErrorObject): { rule: string; fix: string } {
  const schema: Record<string, unknown> = error.parentSchema ?? {};
  const params: Record<string, unknown> = error.params;
  if (error.keyword === 'x-redis') return { rule: String(params['rule']), fix: String(params['fix']) };
  const choices = choicesOf(error);
  if (choices.length > 0) return explainChoice(error, choices);
  const rule = typeof schema['x-rule'] === 'string' ? schema['x-rule'] : sayRule(error);
  return { rule: `${rule}, but is ${sayValue(error)}`, fix: sayExample(schema) };
}

/** True where a text may be a secret or hold one, so that no message repeats it. */
export function maskable(text: string): boolean {
  return !/^[\w .:/-]{1,60}$/.test(text) || /:\/\/|@/.test(text);
}

/** A key as a message repeats it: one that may be a secret somebody wrote in the wrong place is not shown. */
export function sayKey(key: string): string {
  return maskable(key) ? '(a key that is not shown)' : key;
}

/** True where a key's name tells that its value is secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The values a schema allows one of, where that is how it is written. */
function choicesOf(error: ErrorObject): string[] {
  const schema: Record<string, unknown> = error.parentSchema ?? {};
  if (error.keyword === 'enum') return asTexts(schema['enum']);
  if (error.keyword === 'const') return asTexts([schema['const']]);
  const branches = branchesOf(schema);
  if (error.keyword === 'discriminator') return tagsOf(error, branches);
  if (error.keyword !== 'anyOf' && error.keyword !== 'oneOf') return [];
  return branches.every((branch) => 'const' in branch)
    ? asTexts(branches.map((branch) => branch['const']))
    : [];
}

function tagsOf(error: ErrorObject, branches: readonly Record<string, unknown>[]): string[] {
  const tag = String((error.params as Record<string, unknown>)['tag']);
  return branches.flatMap((branch) => {
    const property = fieldOf(branch['properties'], tag);
    return asTexts([fieldOf(property, 'const')]);
  });
}

function branchesOf(schema: Record<string, unknown>): Record<string, unknown>[] {
  const branches = schema['anyOf'] ?? schema['oneOf'];
  return Array.isArray(branches) ? branches.filter(isRecord) : [];
}

function explainChoice(error: ErrorObject, choices: readonly string[]): { rule: string; fix: string } {
  const params: Record<string, unknown> = error.params;
  const isTag = error.keyword === 'discriminator';
  const value: unknown = isTag ? params['tagValue'] : error.data;
  const near = typeof value === 'string' ? nearest(value, choices) : undefined;
  const fix = near === undefined ? `write one of ${choices.join(', ')}` : `did you mean "${near}"?`;
  return {
    rule: `must be one of ${choices.join(', ')}, but is ${isTag ? sayPlain(value) : sayValue(error)}`,
    fix,
  };
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys to values',
  null: 'empty',
};

function sayRule(error: ErrorObject): string {
  const params: Record<string, unknown> = error.params;
  const limit = String(params['limit']);
  const rules: Readonly<Record<string, string>> = {
    type: `must be ${sayTypes(params['type'])}`,
    pattern: `must match ${String(params['pattern'])}`,
    minimum: `must be at least ${limit}`,
    exclusiveMinimum: `must be more than ${limit}`,
    maximum: `must be at most ${limit}`,
    exclusiveMaximum: `must be less than ${limit}`,
    minLength: limit === '1' ? 'must not be empty' : `must have at least ${limit} characters`,
    maxLength: `must have at most ${limit} characters`,
    minItems: `must have at least ${limit} entries`,
    maxItems: `must have at most ${limit} entries`,
    minProperties: `must have at least ${limit} keys`,
    anyOf: `must be ${sayBranches(error)}`,
    oneOf: `must be ${sayBranches(error)}`,
  };
  return rules[error.keyword] ?? error.message ?? `breaks the rule "${error.keyword}"`;
}

function sayBranches(error: ErrorObject): string {
  const schema: Record<string, unknown> = error.parentSchema ?? {};
  const branches = branchesOf(schema);
  const words = branches.map((branch) => {
    if (typeof branch['description'] === 'string') return branch['description'];
    return 'const' in branch ? JSON.stringify(branch['const']) : sayTypes(branch['type']);
  });
  return words.join(' or ');
}

function sayTypes(types: unknown): string {
  return asTexts(Array.isArray(types) ? types : [types])
    .map((type) => WORDS[type] ?? type)
    .join(' or ');
}

function sayValue(error: ErrorObject): string {
  const schema: Record<string, unknown> = error.parentSchema ?? {};
  const name = error.instancePath.split('/').findLast((part) => !/^\d*$/.test(part)) ?? '';
  const isProviders = error.instancePath.startsWith('/providers/');
  const hidden = schema['x-secret'] === true || isProviders || isSecretName(name);
  return hidden && typeof error.data === 'string'
    ? 'something else (not shown: it may be a secret)'
    : sayPlain(error.data);
}

function sayPlain(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return maskable(value) ? 'another text' : JSON.stringify(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

function sayExample(schema: Readonly<Record<string, unknown>>): string {
  const examples = schema['examples'];
  if (typeof schema['x-fix'] === 'string') return schema['x-fix'];
  if (!Array.isArray(examples) || examples.length === 0) return 'correct the value';
  return `write for example ${examples.map((example) => JSON.stringify(example)).join(' or ')}`;
}

function asTexts(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => value !== undefined).map(String) : [];
}
