import { existsSync } from 'node:fs';
import { join } from 'node:path';

const NEEDED_MAJOR = 24;

/**
 * A Node that runs our TypeScript as it is: the running one, or the one that npm installed beside the packages.
 *
 * @param {string} root the checkout
 * @returns {string | undefined}
 */
export function findNode(root) {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return process.execPath;
  // npm 9 does not link the programs that a local package brings, so look where they lie.
  const places = [join('.bin', 'node'), join(`node-${process.platform}-${process.arch}`, 'bin', 'node')];
  return places.map((place) => join(root, 'node_modules', place)).find((path) => existsSync(path));
}

export const missingNode =
  `no Node ${NEEDED_MAJOR} for ${process.platform}-${process.arch} came with the packages: ` +
  `install Node ${NEEDED_MAJOR} or later and start again`;
