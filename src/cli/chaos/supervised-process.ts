import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServerProcess, type ServerProcess } from '../../embedded/server-process.ts';

/** One of drover's processes under a supervisor that starts it again at once, whatever ended it. */
export interface Supervised {
  name: string;
  /** 0 while there is none. */
  pid(): number;
  /** True while it works: it has said that it is ready, and is neither paused nor gone. */
  isUp(): boolean;
  pause(): void;
  resume(): void;
  kill(): void;
  /** Asks it to end in order, as a rolling restart does; another takes its place. */
  restart(): void;
  /** Ends it for good, paused or not. */
  stop(): Promise<void>;
}

/** A process that nobody has killed and that ended. */
export interface Death {
  process: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  endedAt: number;
  wasReady: boolean;
  lastWords: readonly string[];
}

export interface SupervisedOptions {
  name: string;
  words: readonly string[];
  env: Record<string, string>;
  dir: string;
  cwd: string;
  searchPath: string;
  /** A line of what it says once it works. */
  readyLine: RegExp;
  now(): number;
  onDeath(death: Death): void;
}

interface State {
  running: ServerProcess | undefined;
  startedAt: number;
  isReady: boolean;
  isPaused: boolean;
  wasKilled: boolean;
  isStopping: boolean;
  generation: number;
}

const RESTART_MS = 300;
const READY_LOOK_MS = 100;

/** Starts the process; resolves once there is one, not once it is ready. */
export async function supervise(options: SupervisedOptions): Promise<Supervised> {
  const state: State = {
    ...{ running: undefined, startedAt: 0, generation: 0 },
    ...{ isReady: false, isPaused: false, wasKilled: false, isStopping: false },
  };
  await begin(options, state);
  const signal = (name: NodeJS.Signals): void => {
    const { running } = state;
    if (running !== undefined && running.pid > 0 && !running.hasExited()) process.kill(running.pid, name);
  };
  return {
    name: options.name,
    pid: () => state.running?.pid ?? 0,
    isUp: () => state.isReady && !state.isPaused && state.running?.hasExited() === false,
    pause() {
      state.isPaused = true;
      signal('SIGSTOP');
    },
    resume() {
      state.isPaused = false;
      signal('SIGCONT');
    },
    kill() {
      state.wasKilled = true;
      signal('SIGKILL');
    },
    restart() {
      Object.assign(state, { isReady: false, wasKilled: true });
      signal('SIGTERM');
    },
    async stop() {
      state.isStopping = true;
      signal('SIGCONT');
      await state.running?.stop();
    },
  };
}

async function begin(options: SupervisedOptions, state: State): Promise<void> {
  state.generation += 1;
  const logPath = join(options.dir, `${options.name}.${state.generation}.log`);
  const started = await startServerProcess({
    words: options.words,
    env: options.env,
    cwd: options.cwd,
    logPath,
    // One that is paused would not hear of a milder end.
    dieWith: 'KILL',
    stopWith: 'SIGTERM',
    thenWith: 'SIGKILL',
    searchPath: options.searchPath,
  });
  Object.assign(state, { isReady: false, isPaused: false, wasKilled: false, startedAt: options.now() });
  state.running = started;
  void noteReady(options, { state, started, logPath });
  void replaceWhenGone(options, state, started);
  // Stopped while it was being started: nobody else would end it.
  if (state.isStopping) await started.stop();
}

/** Looks until it is ready or gone. */
async function noteReady(
  options: SupervisedOptions,
  on: { state: State; started: ServerProcess; logPath: string },
): Promise<void> {
  while (!on.started.hasExited()) {
    if (options.readyLine.test(await readFile(on.logPath, 'utf8'))) {
      if (on.state.running === on.started) on.state.isReady = true;
      return;
    }
    await sleep(READY_LOOK_MS);
  }
}

async function replaceWhenGone(
  options: SupervisedOptions,
  state: State,
  started: ServerProcess,
): Promise<void> {
  await started.exited;
  const { isReady: wasReady, startedAt, wasKilled } = state;
  Object.assign(state, { isReady: false, isPaused: false });
  if (state.isStopping) return;
  if (!wasKilled) {
    const lastWords = await started.lastWords();
    options.onDeath({ process: options.name, startedAt, endedAt: options.now(), wasReady, lastWords });
  }
  await sleep(RESTART_MS);
  if (!state.isStopping) await begin(options, state);
}
