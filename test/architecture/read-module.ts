import { parseSync, Visitor } from 'oxc-parser';

export interface ModuleImport {
  /** What it names; undefined where that is computed. */
  from: string | undefined;
  /** `type`: gone when the program runs. `value`: loaded with the module. `lazy`: loaded by import() when it runs. */
  kind: 'type' | 'value' | 'lazy';
}

export interface ModuleFacts {
  imports: ModuleImport[];
  readsEnvironment: boolean;
}

/** What one module imports, in every way there is to import, and whether it reads the environment. */
export function readModule(path: string, source: string): ModuleFacts {
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const facts: ModuleFacts = { imports: [], readsEnvironment: false };
  const add = (from: string | undefined, kind: ModuleImport['kind']): void => {
    facts.imports.push({ from, kind });
  };
  new Visitor({
    ImportDeclaration: ({ source: from, importKind, specifiers }) => {
      add(from.value, importKind === 'type' ? 'type' : 'value');
      const names = specifiers.flatMap((one) =>
        one.type === 'ImportSpecifier' ? [nameOf(one.imported)] : [],
      );
      if (isProcessModule(from.value) && names.includes('env')) facts.readsEnvironment = true;
    },
    ExportNamedDeclaration: ({ source: from, exportKind }) => {
      if (from !== null) add(from.value, exportKind === 'type' ? 'type' : 'value');
    },
    ExportAllDeclaration: ({ source: from, exportKind }) =>
      add(from.value, exportKind === 'type' ? 'type' : 'value'),
    TSImportType: ({ source: from }) => add(from.value, 'type'),
    TSImportEqualsDeclaration: ({ moduleReference: reference }) => {
      if (reference.type === 'TSExternalModuleReference') add(reference.expression.value, 'value');
    },
    ImportExpression: ({ source: from }) => add(textOf(from), 'lazy'),
    CallExpression: ({ callee, arguments: [first] }) => {
      if (callee.type === 'Identifier' && callee.name === 'require') add(first && textOf(first), 'value');
    },
    MemberExpression: (node) => {
      const name = node.computed ? textOf(node.property) : nameOf(node.property);
      if (name === 'env' && isProcess(node.object)) facts.readsEnvironment = true;
    },
    VariableDeclarator: ({ id, init }) => {
      if (id.type !== 'ObjectPattern' || init === null || !isProcess(init)) return;
      const taken = id.properties.map((one) => (one.type === 'Property' ? nameOf(one.key) : '...'));
      if (taken.includes('env') || taken.includes('...')) facts.readsEnvironment = true;
    },
  }).visit(program);
  return facts;
}

interface Node {
  type: string;
}

function textOf(node: Node): string | undefined {
  return node.type === 'Literal' && 'value' in node && typeof node.value === 'string'
    ? node.value
    : undefined;
}

function nameOf(node: Node): string | undefined {
  return 'name' in node && typeof node.name === 'string' ? node.name : textOf(node);
}

/** `process` itself, or as a property of something global. */
function isProcess(node: Node): boolean {
  if (node.type === 'Identifier') return nameOf(node) === 'process';
  return (
    node.type === 'MemberExpression' &&
    'property' in node &&
    isNode(node.property) &&
    nameOf(node.property) === 'process'
  );
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function isProcessModule(from: string): boolean {
  return from === 'node:process' || from === 'process';
}
