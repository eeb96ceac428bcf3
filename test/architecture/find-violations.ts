import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { PACKAGE_RULES, PARTS, READS_ENVIRONMENT, WITHOUT_PACKAGES, type PackageRule } from './arrows.ts';
import { readModule, type ModuleImport } from './read-module.ts';

export interface SourceFile {
  /** From the root of the checkout: `src/fleet/lifecycle.ts`. */
  path: string;
  source: string;
}

/** Every breach of the arrows, as a sentence that begins with the file's path; paths are resolved, not matched. */
export function findViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, source }) => {
    const { imports, readsEnvironment } = readModule(path, source);
    const reasons = imports.flatMap((one) => judge(path, one));
    if (readsEnvironment && path !== READS_ENVIRONMENT)
      reasons.push(`reads the environment: only ${READS_ENVIRONMENT} may`);
    if (PARTS[partOf(path)] === undefined) reasons.push('belongs to no part: add it to arrows.ts');
    return [...new Set(reasons)].map((reason) => `${path} ${reason}`);
  });
}

function judge(path: string, one: ModuleImport): string[] {
  if (one.from === undefined) return ['imports a name that is computed, which nobody can check'];
  if (one.from.startsWith('.')) return judgeOwn(path, posix.join(posix.dirname(path), one.from));
  if (one.from.startsWith('/') || one.from.startsWith('#') || /^(file|data|https?):/.test(one.from)) {
    return [`imports ${one.from}: name our own files by a relative path`];
  }
  return judgePackage(path, one.from, one.kind);
}

function judgeOwn(path: string, target: string): string[] {
  const part = partOf(path);
  const rule = PARTS[part];
  if (rule === undefined || target === 'package.json') return [];
  if (!target.startsWith('src/')) return [`imports ${target}, which is not part of src`];
  const between = providersBetween(path, target);
  if (between !== undefined) return [`imports ${target}: ${between}`];
  if (partOf(target) === part || rule.mayImport === 'everything') return [];
  const isAllowed = rule.mayImport.some((allowed) => allowed === partOf(target) || allowed === target);
  return isAllowed ? [] : [`imports ${target}: ${rule.why}`];
}

/** One provider never imports another; what they share lies beside their folders. */
function providersBetween(path: string, target: string): string | undefined {
  const [mine, theirs] = [path, target].map((file) => /^src\/providers\/([^/]+)\//.exec(file)?.[1]);
  if (mine === undefined || theirs === undefined || mine === theirs) return undefined;
  return 'one provider never knows another';
}

function judgePackage(path: string, from: string, kind: ModuleImport['kind']): string[] {
  if (WITHOUT_PACKAGES.includes(partOf(path)))
    return [`imports ${from}: ${partOf(path)} names no package and no node module`];
  if (isBuiltin(from)) return [];
  return PACKAGE_RULES.filter((rule) => isNamedBy(rule, from)).flatMap((rule) => {
    if (!rule.onlyIn.some((place) => isIn(path, place)))
      return [`imports ${from}: only ${rule.onlyIn.join(', ')} may`];
    if (rule.lazily && kind === 'value')
      return [`imports ${from} eagerly: import its types, and the rest by import() where it is used`];
    return [];
  });
}

function isNamedBy(rule: PackageRule, from: string): boolean {
  return rule.packages.some((name) =>
    name.endsWith('/') ? from.startsWith(name) : from === name || from.startsWith(`${name}/`),
  );
}

function isIn(path: string, place: string): boolean {
  return place.endsWith('/') ? path.startsWith(place) : path === place;
}

/** `src/fleet/x.ts` and `src/fleet.ts` are both of the part `fleet`. */
function partOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first.replace(/\.[a-z]+$/, '');
}
