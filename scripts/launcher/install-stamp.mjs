import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const STAMP = join('node_modules', '.drover-stamp');

/** What the installed packages have to agree with: the lock file and the local package that brings Node. */
function wantedStamp(root) {
  const hash = createHash('sha256');
  for (const file of ['package-lock.json', join('runtime', 'package.json')]) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/** True where node_modules holds what the lock file says, whether this launcher installed it or a person did. */
export function isInstalled(root) {
  const wanted = wantedStamp(root);
  if (read(join(root, STAMP)) === wanted) return true;
  if (!agreesWithLock(root)) return false;
  writeStamp(root);
  return true;
}

/** Written last, so that an interrupted installation is never taken for a whole one. */
export function writeStamp(root) {
  writeFileSync(join(root, STAMP), wantedStamp(root));
}

/** npm writes its own account of what it installed when it has finished: compare that, package by package. */
function agreesWithLock(root) {
  const wanted = parsePackages(join(root, 'package-lock.json'));
  const installed = parsePackages(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted)
    .filter(([path, entry]) => path.startsWith('node_modules/') && entry.link !== true)
    .every(([path, entry]) => isSatisfied(entry, installed[path]));
}

function isSatisfied(wanted, installed) {
  // Packages for other systems are in the lock file and rightly not on disk.
  if (installed === undefined) return wanted.optional === true;
  return installed.version === wanted.version && installed.integrity === wanted.integrity;
}

function parsePackages(path) {
  try {
    return JSON.parse(read(path) ?? '{}').packages;
  } catch {
    // npm will say what is wrong with it.
    return undefined;
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}
