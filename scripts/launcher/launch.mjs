import { dirname, join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { stepsOf } from './commands.mjs';
import { findNode, missingNode } from './find-node.mjs';
import { ensureInstalled } from './install.mjs';
import { createLeash } from './leash.mjs';
import { watchNpm } from './npm-watch.mjs';
import { say, SetupError } from './say.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Sets the checkout up where that is needed, then runs one command of it under Node 24.
 * Plain JavaScript for any Node from 18 on, without packages: it runs before there are any.
 *
 * @param {{ command: string | undefined, args: string[] }} wish
 * @returns {Promise<number>} the exit code
 */
export async function launch({ command, args }) {
  const leash = createLeash();
  const unwatch = watchNpm(leash.stop);
  try {
    const steps = stepsOf(command, args);
    const code = await setUp({ leash });
    return code ?? (await runSteps({ steps, leash }));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    return 1;
  } finally {
    unwatch();
  }
}

async function setUp({ leash }) {
  const code = await ensureInstalled({ root, leash });
  if (code !== undefined || findNode(root) !== undefined) return code;
  // Packages installed under a newer Node came without one of their own.
  const again = await ensureInstalled({ root, leash, force: true });
  if (again === undefined && findNode(root) === undefined) throw new SetupError(missingNode);
  return again;
}

async function runSteps({ steps, leash }) {
  const node = findNode(root);
  const several = steps.length > 1;
  for (const { name, words, cwd } of steps) {
    if (several) say(`${name} …`);
    const startedMs = performance.now();
    const code = await leash.run(node, words, { cwd: cwd ?? root, env: environment(node) });
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    if (several) say(`${name}: ${code === 0 ? 'fine' : 'failed'} (${seconds} s)`);
    if (code !== 0) return code;
  }
  return 0;
}

/** Our Node and the installed tools come before whatever the system has. */
function environment(node) {
  const path = [dirname(node), join(root, 'node_modules', '.bin'), env.PATH ?? ''].join(':');
  return { ...env, PATH: path };
}
