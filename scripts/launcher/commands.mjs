import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './say.mjs';

const droverPath = fileURLToPath(new URL('../../src/cli/drover.ts', import.meta.url));

/** What can be launched: each is one or more steps, each step the words that follow `node`. */
const COMMANDS = {
  start: (args) => [{ name: 'start', words: ['src/cli/start.ts', ...args] }],
  test: (args) => [tool('vitest', ['run', '--project', 'bare', '--project', 'served', ...args])],
  verify: () => [
    { ...tool('oxfmt', ['--check']), name: 'format' },
    { ...tool('tsc', []), name: 'types' },
    { ...tool('oxlint', ['--type-aware']), name: 'lint' },
    { ...tool('knip', []), name: 'dead code' },
    { ...tool('vitest', ['run', 'test/architecture']), name: 'architecture' },
  ],
  bench: (args) => [{ name: 'bench', words: ['bench/run.ts', ...args] }],
  explore: (args) => [{ name: 'explore', words: ['src/cli/explore.ts', ...args] }],
  spec: (args) => [{ name: 'spec', words: ['src/cli/spec.ts', ...args] }],
  chaos: (args) => [{ name: 'chaos', words: ['src/cli/chaos.ts', ...args] }],
  prove: () => [
    { name: 'explore', words: ['src/cli/explore.ts', '--seeds', '10000', '--from', freshSeed()] },
    {
      name: 'explore over PostgreSQL',
      words: ['src/cli/explore.ts', '--store', 'postgres', '--seeds', '300', '--from', freshSeed()],
    },
    { name: 'chaos', words: ['src/cli/chaos.ts', '--minutes', '10', '--seed', freshSeed()] },
    {
      ...tool('vitest', ['run', '--project', 'served', 'test/mutants', 'test/explore/mutants.test.ts']),
      name: 'mutants',
    },
    { ...tool('vitest', ['run', '--project', 'long']), name: 'long tests' },
    { name: 'spec', words: ['src/cli/spec.ts'] },
  ],
  // A person's own files are named relative to where they stand.
  drover: (args) => [{ name: 'drover', words: [droverPath, ...args], cwd: process.cwd() }],
};

/**
 * @param {string | undefined} command
 * @param {string[]} args
 * @returns {{ name: string, words: string[], cwd?: string }[]}
 */
export function stepsOf(command, args) {
  if (command === undefined || !Object.hasOwn(COMMANDS, command)) {
    throw new SetupError(`no command ${command ?? ''}: choose one of ${Object.keys(COMMANDS).join(', ')}`);
  }
  return COMMANDS[command](args);
}

/** Another one each time; what runs under it prints it where it fails. */
function freshSeed() {
  return String(Math.floor(Date.now() / 1000) % 9_000_000);
}

function tool(name, args) {
  return { name, words: [join('node_modules', '.bin', name), ...args] };
}
