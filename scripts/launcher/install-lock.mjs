import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isSameProcess } from './process-identity.mjs';
import { say, SetupError } from './say.mjs';

const LOOK_EVERY_MS = 500;
const LONGEST_WAIT_MS = 15 * 60_000;

/**
 * Lets one launcher at a time install into a checkout; the others wait until it has finished or died.
 *
 * @returns {Promise<() => void>} gives the lock back
 */
export async function lockInstallation({ root, leash }) {
  const path = join(root, '.drover', 'installing');
  const mine = `${path}.${process.pid}`;
  const deadlineMs = performance.now() + LONGEST_WAIT_MS;
  writeFileSync(mine, JSON.stringify(identify(process.pid) ?? { pid: process.pid }));
  try {
    let told = false;
    while (!tryLink(mine, path) && leash.stopCode() === undefined) {
      const owner = readOwner(path);
      if (owner !== undefined && !isSameProcess(owner)) {
        rmSync(path, { force: true });
      } else if (!told) {
        say(`another start (process ${owner?.pid ?? '?'}) is installing packages, waiting for it`);
        told = true;
      }
      if (performance.now() > deadlineMs) {
        throw new SetupError(`another start has been installing for too long: end it, or remove ${path}`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => releaseIfMine(path);
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function readOwner(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function releaseIfMine(path) {
  if (readOwner(path)?.pid === process.pid) rmSync(path, { force: true });
}
