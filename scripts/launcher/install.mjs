import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { env } from 'node:process';
import { isInstalled, writeStamp } from './install-stamp.mjs';
import { lockInstallation } from './install-lock.mjs';
import { say, SetupError } from './say.mjs';

const TELL_EVERY_MS = 5_000;
const KEPT_OUTPUT = 4_000;

/**
 * Brings node_modules in line with the lock file, with `npm ci` where it is not.
 *
 * @param {{ root: string, leash: object, force?: boolean }} options
 *   force installs although the stamp agrees (the Node in it may be missing after a change of system Node)
 * @returns {Promise<number | undefined>} an exit code where set-up was told to stop
 */
export async function ensureInstalled({ root, leash, force = false }) {
  if (!force && isInstalled(root)) return undefined;
  refuseWhatCannotBeWritten(root);
  const unlock = await lockInstallation({ root, leash });
  try {
    if (leash.stopCode() !== undefined) return leash.stopCode();
    // Another start may have installed while we waited for it.
    if (!force && isInstalled(root)) return undefined;
    return await install({ root, leash });
  } finally {
    unlock();
  }
}

function refuseWhatCannotBeWritten(root) {
  const modules = join(root, 'node_modules');
  const stat = lstatSync(modules, { throwIfNoEntry: false });
  // npm ci empties the folder first, which through a link would be somebody else's.
  if (stat?.isSymbolicLink()) {
    throw new SetupError(
      `${modules} is a link and its packages are out of date: run npm ci where it points to`,
    );
  }
  for (const folder of stat === undefined ? [root] : [root, modules]) {
    try {
      accessSync(folder, constants.W_OK);
    } catch {
      throw new SetupError(
        `cannot install packages, ${folder} is not writable: make it yours, or run npm ci as its owner`,
      );
    }
  }
  mkdirSync(join(root, '.drover'), { recursive: true });
}

async function install({ root, leash }) {
  const startedMs = performance.now();
  const seconds = () => Math.round((performance.now() - startedMs) / 1_000);
  say('installing packages with npm ci (the first time takes half a minute or so)');
  const ticker = setInterval(() => say(`installing packages, ${seconds()} s`), TELL_EVERY_MS);
  const output = { text: '' };
  const code = await runNpm({ root, leash, output }).finally(() => clearInterval(ticker));
  if (leash.stopCode() !== undefined) return leash.stopCode();
  if (code !== 0) throw new SetupError(explain(code, output.text));
  writeStamp(root);
  say(`installed packages in ${seconds()} s`);
  return undefined;
}

function runNpm({ root, leash, output }) {
  const [file, ...first] = npmCommand();
  // The caller's omit, production, link and engine settings are for other projects: tests and servers are needed here.
  const needs = ['--include=dev', '--include=optional', '--install-links=false', '--engine-strict=false'];
  const wishes = [...needs, '--no-audit', '--no-fund'];
  return leash.run(file, [...first, 'ci', ...wishes, '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    onSpawn: (child) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          output.text = (output.text + text).slice(-KEPT_OUTPUT);
        });
      }
    },
  });
}

/** The npm that started us, else the one beside our Node, else the one on the path. */
function npmCommand() {
  const { npm_execpath: started } = env;
  if (started !== undefined && /np[mx]-cli\.js$/.test(started)) {
    return [process.execPath, join(dirname(started), 'npm-cli.js')];
  }
  return ['npm'];
}

function explain(code, output) {
  const lines = output
    .trim()
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim());
  const telling = lines.filter((line) => line !== '' && !/complete log|_logs\//.test(line)).slice(0, 6);
  return `npm ci failed (exit code ${code}): ${telling.join(' | ')}; mend that and start again`;
}
