import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Replacement } from './mutant.ts';

const ORIGINAL = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

export interface CopiedCheckout {
  dir: string;
  /** Makes these replacements in a fresh copy of each file; the answer puts the files back as they were. */
  change(replacements: readonly Replacement[]): Promise<() => Promise<void>>;
  remove(): Promise<void>;
}

/** A copy of what the tests need, in a folder of its own; packages are shared with the original. */
export async function copyCheckout(): Promise<CopiedCheckout> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-mutant-'));
  for (const name of COPIED) await cp(join(ORIGINAL, name), join(dir, name), { recursive: true });
  await symlink(join(ORIGINAL, 'node_modules'), join(dir, 'node_modules'));
  return {
    dir,
    async change(replacements) {
      const { before, after } = await replaceAll(replacements, dir);
      await writeAll(dir, after);
      return () => writeAll(dir, before);
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The files that these replacements touch, before and after; throws where one of them does not fit. */
export async function replaceAll(
  replacements: readonly Replacement[],
  dir = ORIGINAL,
): Promise<Record<'before' | 'after', ReadonlyMap<string, string>>> {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  for (const replacement of replacements) {
    const { file } = replacement;
    const source = after.get(file) ?? (await readFile(join(dir, file), 'utf8'));
    if (!before.has(file)) before.set(file, source);
    after.set(file, replaceOnce(source, replacement));
  }
  return { before, after };
}

async function writeAll(dir: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [file, source] of files) await writeFile(join(dir, file), source);
}

/** Throws where the piece is not there, or there more than once: the mutant is older than the source. */
export function replaceOnce(source: string, { file, find, replace }: Replacement): string {
  const [before, after, ...more] = source.split(find);
  if (before !== undefined && after !== undefined && more.length === 0) return before + replace + after;
  const times = source.split(find).length - 1;
  throw new Error(`${file} has ${times} times, not once, what a mutant replaces: ${JSON.stringify(find)}`);
}
