import { env } from 'node:process';
import { commandLine, identify, isSameProcess } from './process-identity.mjs';

const LOOK_EVERY_MS = 250;
const DEEPEST_ANCESTRY = 12;
const PACKAGE_MANAGER = /^(npm|npx|pnpm|yarn|bun)(-cli)?(\.c?js)?$/;

/**
 * Calls `onGone` once when the npm that runs this script, or anything between the two, has gone.
 * npm puts `sh -c` in between, which outlives a killed npm and hides its end from us: so all of them are watched.
 * Without npm above us nothing is watched: a launcher started by hand may outlive its shell.
 *
 * @param {() => void} onGone
 * @returns {() => void} stops watching
 */
export function watchNpm(onGone) {
  if (!isNpmOurStarter()) return () => undefined;
  const chain = ancestorsUpToNpm();
  const startedBy = process.ppid;
  // npm was killed before we could look: we are an orphan from the start.
  const wasOrphaned = chain === undefined;
  const timer = setInterval(() => {
    if (!wasOrphaned && process.ppid === startedBy && chain.every(isSameProcess)) return;
    clearInterval(timer);
    onGone();
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** npm's variables are inherited by everything below it, so only its own word that it ran this script counts. */
function isNpmOurStarter() {
  if (identify(process.pid) === undefined) return false;
  const script = env.npm_lifecycle_script ?? '';
  return script.includes('launch.mjs') || (env.npm_lifecycle_event === 'npx' && script.includes('drover'));
}

function ancestorsUpToNpm() {
  const chain = [];
  let pid = process.ppid;
  for (let depth = 0; depth < DEEPEST_ANCESTRY && pid > 0; depth += 1) {
    const ancestor = identify(pid);
    if (ancestor === undefined) return undefined;
    chain.push(ancestor);
    if (isPackageManager(pid)) return chain;
    pid = ancestor.parentPid;
  }
  return undefined;
}

/** npm calls itself "npm start" as one word of its command line; others show the path of their script. */
function isPackageManager(pid) {
  return commandLine(pid)
    .slice(0, 2)
    .some((word) =>
      word.split(' ').some((part) => PACKAGE_MANAGER.test(part.slice(part.lastIndexOf('/') + 1))),
    );
}
