import { Ec2Error } from './ec2-error.ts';
import type { Tags } from './estate.ts';
import { group, list, needed, anyText, text } from './parameters.ts';

/** The `Filter.N` parameter of every describe action. */
export const filterList = list(group({ Name: needed(text), Value: list(anyText) }));

export interface Filter {
  Name: string;
  Value: string[];
}

/** What each filter's name stands for: the values of a record that it looks at. */
export type FilterTable<T> = Readonly<Record<string, (record: T) => readonly (string | undefined)[]>>;

const MAX_VALUES = 200;

/**
 * Makes one test of all filters: a record passes where each filter has a value that fits, `*` and `?` being wildcards.
 * Throws InvalidParameterValue for a filter that this action does not have, FilterLimitExceeded above 200 values.
 */
export function compileFilters<T extends { tags: Tags }>(
  filters: readonly Filter[],
  table: FilterTable<T>,
): (record: T) => boolean {
  const values = filters.reduce((sum, filter) => sum + filter.Value.length, 0);
  if (values > MAX_VALUES) {
    throw new Ec2Error(
      'FilterLimitExceeded',
      `The request has ${values} filter values; the maximum is ${MAX_VALUES}.`,
    );
  }
  const tests = filters.map((filter) => compileFilter(filter, table));
  return (record) => tests.every((test) => test(record));
}

function compileFilter<T extends { tags: Tags }>(
  filter: Filter,
  table: FilterTable<T>,
): (record: T) => boolean {
  if (filter.Value.length === 0) {
    throw new Ec2Error('InvalidParameterValue', `The filter '${filter.Name}' has no values.`);
  }
  const look = lookOf(filter.Name, table);
  const fits = filter.Value.map(compilePattern);
  return (record) => look(record).some((value) => value !== undefined && fits.some((fit) => fit(value)));
}

function lookOf<T extends { tags: Tags }>(
  name: string,
  table: FilterTable<T>,
): (record: T) => readonly (string | undefined)[] {
  if (name === 'tag-key') return ({ tags }) => [...tags.keys()];
  if (name.startsWith('tag:')) return ({ tags }) => [tags.get(name.slice('tag:'.length))];
  const look = Object.hasOwn(table, name) ? table[name] : undefined;
  if (look === undefined) throw new Ec2Error('InvalidParameterValue', `The filter '${name}' is invalid`);
  return look;
}

function compilePattern(pattern: string): (value: string) => boolean {
  if (!/[*?]/.test(pattern)) return (value) => value === pattern;
  const literal = pattern.replaceAll(/[$()+.[\\\]^{|}]/g, String.raw`\$&`);
  const source = literal.replaceAll('*', '.*').replaceAll('?', '.');
  const expression = new RegExp(`^${source}$`, 's');
  return (value) => expression.test(value);
}
