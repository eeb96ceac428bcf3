import { mkdtemp, readdir, rename, rm, stat, chmod } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from './places.ts';
import { systemCode } from './setup-error.ts';

const ABANDONED_AFTER_MS = 60 * 60_000;

/**
 * Puts a folder in place whole or not at all, so that two processes may do so at once: the second one's is dropped.
 *
 * @param fill writes the contents into the folder it is given
 */
export async function fillFolder(folder: string, fill: (draft: string) => Promise<void>): Promise<void> {
  const parent = dirname(folder);
  await makeFolder(parent);
  await removeAbandoned(parent, `${basename(folder)}.draft-`);
  const draft = await mkdtemp(join(parent, `${basename(folder)}.draft-`));
  try {
    await fill(draft);
    await chmod(draft, 0o755);
    await rename(draft, folder);
  } catch (error) {
    if (!['EEXIST', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Drafts of processes that died; a live one is never that old. */
async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    const made = await stat(path).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
