import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { env } from 'node:process';
import { SetupError } from './say.mjs';

const STOP_WITHIN_MS = 20_000;
/** npm repeats a Ctrl-C that the terminal has already delivered; a person's second one comes later than this. */
const ECHO_WITHIN_MS = 1_000;
const STOPPING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs commands one at a time so that none outlives this process: signals are passed on, a command that does not
 * stop in time is ended, and the kernel ends it where this process dies without a chance to.
 */
export function createLeash() {
  const state = { child: undefined, stoppedAtMs: undefined, signal: undefined };
  for (const signal of STOPPING_SIGNALS) process.on(signal, () => stop(state, signal));
  return {
    /** Runs a command to its end; resolves to its exit code, 128 + n where signal n ended it. */
    run: (command, args, options) => run(state, [command, ...args], options),
    /** Ends the command that runs and makes every later one end at once. */
    stop: () => stop(state, 'SIGTERM'),
    /** The exit code that a stopping signal asks for, undefined while nobody asked to stop. */
    stopCode: () => (state.signal === undefined ? undefined : codeOf(null, state.signal)),
  };
}

function run(state, commandLine, options) {
  if (state.signal !== undefined) return Promise.resolve(codeOf(null, state.signal));
  const [file, ...args] = boundToUs(commandLine);
  return new Promise((resolve, reject) => {
    // A session of its own: the terminal's Ctrl-C reaches this process alone, which passes it on once.
    const child = spawn(file, args, { stdio: 'inherit', detached: true, ...options });
    state.child = child;
    options?.onSpawn?.(child);
    child.once('error', (error) => {
      state.child = undefined;
      reject(new SetupError(`cannot run ${commandLine[0]}: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      state.child = undefined;
      endGroup(child.pid);
      resolve(codeOf(code, signal));
    });
  });
}

function stop(state, signal) {
  const isEcho = state.stoppedAtMs !== undefined && performance.now() - state.stoppedAtMs < ECHO_WITHIN_MS;
  if (isEcho) return;
  const isSecondWish = state.signal !== undefined;
  state.stoppedAtMs = performance.now();
  state.signal ??= signal;
  if (state.child === undefined) return;
  const { pid } = state.child;
  if (isSecondWish) {
    endGroup(pid);
    return;
  }
  state.child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  setTimeout(() => endGroup(pid), STOP_WITHIN_MS).unref();
}

/** What the command left in its process group goes with it. */
function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function codeOf(code, signal) {
  return code ?? 128 + constants.signals[signal];
}

/** The kernel sends SIGTERM to the command when this process dies, where util-linux is there to ask it to. */
function boundToUs(commandLine) {
  if (process.platform !== 'linux') return commandLine;
  const probe = spawnSync('setpriv', ['--pdeathsig=TERM', 'true'], { stdio: 'ignore', env });
  return probe.status === 0 ? ['setpriv', '--pdeathsig=TERM', '--', ...commandLine] : commandLine;
}
