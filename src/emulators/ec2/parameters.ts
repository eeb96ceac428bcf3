import { Ec2Error, invalidValue } from './ec2-error.ts';

/** A request's parameters as a tree: `Filter.1.Name=x` is the value x at Filter, 1, Name. */
export interface ParameterNode {
  value: string | undefined;
  children: Map<string, ParameterNode>;
}

/** How one parameter is read. `read` gets no node where the parameter was not sent; it throws the vendor's refusal. */
export interface Field<T> {
  read(node: ParameterNode | undefined, path: string): T;
}

/** What a group of fields reads. */
export type GroupOf<F extends Record<string, Field<unknown>>> = {
  [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

const MAX_DEPTH = 8;

/** Parses a form body. Refuses (InvalidQueryParameter) a name that is malformed or sent twice. */
export function parseForm(body: string): ParameterNode {
  const root = emptyNode();
  for (const [name, value] of new URLSearchParams(body)) {
    const steps = name.split('.');
    if (steps.length > MAX_DEPTH || steps.includes('')) throw malformed(name);
    let node = root;
    for (const step of steps) node = childOf(node, step);
    if (node.value !== undefined) throw malformed(name);
    node.value = value;
  }
  return root;
}

/** All parameters but `except` in one string that is the same for the same parameters in any order. */
export function fingerprint(root: ParameterNode, except: readonly string[]): string {
  const lines: string[] = [];
  const walk = (node: ParameterNode, path: string): void => {
    if (node.value !== undefined) lines.push(`${path}=${node.value}`);
    for (const [step, child] of node.children) walk(child, path === '' ? step : `${path}.${step}`);
  };
  for (const [step, child] of root.children) if (!except.includes(step)) walk(child, step);
  return lines.toSorted().join('\n');
}

/** A value that is not empty. */
export const text: Field<string | undefined> = {
  read(node, path) {
    const value = leaf(node, path);
    if (value === '') throw invalidValue(path, '', 'It must not be empty.');
    return value;
  },
};

/** A value that may be empty, as a tag's may. */
export const anyText: Field<string | undefined> = { read: leaf };

export const whole: Field<number | undefined> = {
  read(node, path) {
    const value = leaf(node, path);
    if (value === undefined) return undefined;
    if (!/^-?\d{1,9}$/.test(value)) throw invalidValue(path, value, 'Expecting an integer.');
    return Number(value);
  },
};

export const flag: Field<boolean | undefined> = {
  read(node, path) {
    const value = leaf(node, path);
    if (value === undefined) return undefined;
    if (value !== 'true' && value !== 'false') throw invalidValue(path, value, 'Expecting true or false.');
    return value === 'true';
  },
};

export function oneOf<const T extends string>(...values: T[]): Field<T | undefined> {
  return {
    read(node, path) {
      const value = leaf(node, path);
      if (value === undefined) return undefined;
      const known = values.find((each) => each === value);
      if (known === undefined) throw invalidValue(path, value, `Expecting one of ${values.join(', ')}.`);
      return known;
    },
  };
}

/** A parameter without which the request is refused (MissingParameter). */
export function needed<T>(field: Field<T>): Field<NonNullable<T>> {
  return {
    read(node, path) {
      const value = field.read(node, path);
      if (value === undefined || value === null) throw missing(path);
      return value;
    },
  };
}

/** `Name.1`, `Name.2` and so on, in the order of their numbers; an empty list where nothing was sent. */
export function list<T>(item: Field<T>): Field<NonNullable<T>[]> {
  return {
    read(node, path) {
      if (node === undefined) return [];
      if (node.value !== undefined) throw unknown(path);
      const numbered = [...node.children].map(([step, child]) => {
        if (!/^[1-9]\d{0,4}$/.test(step)) throw unknown(`${path}.${step}`);
        return { number: Number(step), child };
      });
      return numbered
        .toSorted((a, b) => a.number - b.number)
        .map(({ number, child }) => needed(item).read(child, `${path}.${number}`));
    },
  };
}

/** A list that has at least one entry. */
export function neededList<T>(item: Field<T>): Field<NonNullable<T>[]> {
  return {
    read(node, path) {
      const items = list(item).read(node, path);
      if (items.length === 0) throw missing(path);
      return items;
    },
  };
}

/** Named parameters; a name that is not among them is refused (UnknownParameter). Undefined where none was sent. */
export function group<F extends Record<string, Field<unknown>>>(fields: F): Field<GroupOf<F> | undefined> {
  return { read: (node, path) => (node === undefined ? undefined : readGroup(fields, node, path)) };
}

/** Reads a whole request; `Action` and `Version` are the caller's. */
export function readRequest<F extends Record<string, Field<unknown>>>(
  fields: F,
  root: ParameterNode,
): GroupOf<F> {
  const children = new Map(root.children);
  children.delete('Action');
  children.delete('Version');
  return readGroup(fields, { value: undefined, children }, '');
}

function readGroup<F extends Record<string, Field<unknown>>>(
  fields: F,
  node: ParameterNode,
  path: string,
): GroupOf<F> {
  if (node.value !== undefined) throw unknown(path);
  const prefix = path === '' ? '' : `${path}.`;
  for (const step of node.children.keys())
    if (!Object.hasOwn(fields, step)) throw unknown(`${prefix}${step}`);
  const read: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    read[name] = field.read(node.children.get(name), `${prefix}${name}`);
  }
  if (!isGroupOf(fields, read)) throw new Error(`Not all fields of ${path} were read.`);
  return read;
}

/** Each value comes from the field of its name, so that the names are all there is to check. */
function isGroupOf<F extends Record<string, Field<unknown>>>(
  fields: F,
  read: Record<string, unknown>,
): read is GroupOf<F> {
  return Object.keys(fields).every((name) => name in read);
}

function leaf(node: ParameterNode | undefined, path: string): string | undefined {
  const [child] = node?.children.keys() ?? [];
  if (child !== undefined) throw unknown(`${path}.${child}`);
  return node?.value;
}

function emptyNode(): ParameterNode {
  return { value: undefined, children: new Map() };
}

function childOf(node: ParameterNode, step: string): ParameterNode {
  const present = node.children.get(step);
  if (present !== undefined) return present;
  const child = emptyNode();
  node.children.set(step, child);
  return child;
}

function unknown(path: string): Ec2Error {
  return new Ec2Error('UnknownParameter', `The parameter ${path} is not recognized`);
}

function missing(path: string): Ec2Error {
  return new Ec2Error('MissingParameter', `The request must contain the parameter ${path}`);
}

function malformed(name: string): Ec2Error {
  return new Ec2Error('InvalidQueryParameter', `The parameter ${name} is malformed or was sent twice.`);
}
