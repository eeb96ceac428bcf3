import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml';
import type { Problem } from './problem.ts';
import type { Fault, Path } from './schema-check.ts';

export interface YamlSource {
  /** What the text says; undefined where it cannot be read or is empty. */
  value: unknown;
  isEmpty: boolean;
  /** Mistakes of syntax, keys written twice included. */
  problems: readonly Problem[];
  /** The problem of a fault in `value`, with the line and column where it stands. */
  locate(fault: Fault, subject: string): Problem;
}

/** The most that aliases may multiply a file: no real one comes near, and without a bound a short file fills the memory. */
const MAX_ALIASES = 1000;

/** Reads YAML 1.2 with merge keys and remembers where everything stands. `file` is the name problems are told under. */
export function readYaml(text: string, file: string): YamlSource {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true, logLevel: 'error' });
  const place = (offset: number): Pick<Problem, 'where' | 'line' | 'column'> => {
    const { line, col } = lineCounter.linePos(offset);
    return { where: `${file}:${line}:${col}`, line, column: col };
  };
  const errors = [...document.errors, ...document.warnings];
  const problems = onePerLine(
    errors.map((error) => ({ ...place(error.pos[0]), subject: '', ...saySyntax(error) })),
  );
  // A key written twice leaves a tree that can be looked at further; any other mistake leaves guesswork.
  const isReadable = errors.every(({ code }) => code === 'DUPLICATE_KEY');
  const read = isReadable ? toValue(document) : { value: undefined };
  if (read.problem !== undefined) problems.push({ ...place(0), subject: '', ...read.problem });
  return {
    value: read.value,
    isEmpty: problems.length === 0 && (read.value === null || read.value === undefined),
    problems,
    locate: (fault, subject) => ({
      ...place(offsetOf(document, fault)),
      subject,
      rule: fault.rule,
      fix: fault.fix,
    }),
  };
}

/** One slip of syntax often makes the parser stumble several times over the rest of its line. */
function onePerLine(problems: readonly Problem[]): Problem[] {
  return problems.filter(
    (problem, index) => problems.findIndex(({ line }) => line === problem.line) === index,
  );
}

function toValue(document: Document): { value: unknown; problem?: Pick<Problem, 'rule' | 'fix'> } {
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const fix = 'point each alias at an anchor written before it, and use fewer of them';
    return {
      value: undefined,
      problem: { rule: 'has an alias without an anchor, or too many aliases', fix },
    };
  }
}

/** Told by code, since the parser's own messages may repeat the text, and the text may hold a secret. */
function saySyntax(error: YAMLError): Pick<Problem, 'rule' | 'fix'> {
  const [rule, fix] = SYNTAX[error.code] ?? [
    `is not valid YAML (${error.code})`,
    'correct the line, or the one above it',
  ];
  return { rule, fix };
}

const SYNTAX: Readonly<Record<string, readonly [rule: string, fix: string]>> = {
  DUPLICATE_KEY: ['has a key that was already written in the same mapping', 'remove one of the two'],
  TAB_AS_INDENT: ['is indented with a tab', 'indent with spaces'],
  BAD_INDENT: [
    'is indented other than its neighbours, or a bracket was not closed before it',
    'give it the same number of spaces, or close the bracket',
  ],
  BAD_ALIAS: ['has an alias that cannot be read', 'write *name for an anchor &name that stands before it'],
  BAD_DQ_ESCAPE: [
    'has an escape that double quotes do not know',
    'use single quotes, or double the backslash',
  ],
  MISSING_CHAR: [
    'lacks a character that closes or separates, or is indented wrongly',
    'add the missing quote, bracket, comma or colon, or correct the spaces before it',
  ],
  MULTILINE_IMPLICIT_KEY: ['has a key that goes over several lines', 'write "key: value" on one line'],
  BLOCK_AS_IMPLICIT_KEY: [
    'has a mapping where a single value belongs',
    'put quotes around a value that holds ": "',
  ],
  MULTIPLE_DOCS: ['begins a second document', 'keep one document in the file: remove the line ---'],
  TAG_RESOLVE_FAILED: ['has a tag that is not known', 'write the value without a tag (!name)'],
};

/** Where a fault stands: its key, its value, or what comes nearest above it. */
function offsetOf(document: Document, fault: Fault): number {
  let node = resolve(document, document.contents);
  let nearest: Node | null = node;
  for (const [index, part] of fault.path.entries()) {
    const child = childOf(node, part);
    if (child === undefined) break;
    const isLast = index === fault.path.length - 1;
    nearest = (isLast && fault.at === 'key' ? child.key : child.value) ?? child.key ?? nearest;
    node = resolve(document, child.value);
  }
  return startOf(nearest);
}

function startOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}

function childOf(
  node: Node | null,
  part: Path[number],
): { key: Node | null; value: Node | null } | undefined {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(part)];
    return isNode(item) ? { key: null, value: item } : undefined;
  }
  if (!isMap<Node, Node | null>(node)) return undefined;
  const pair = node.items.find(({ key }) => String(key) === String(part));
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function resolve(document: Document, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}
