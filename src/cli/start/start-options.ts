import { parseArgs } from 'node:util';
import type { Environment } from '../../config.ts';
import { SetupError } from '../../embedded/setup-error.ts';

export interface StartOptions {
  /** End after the audit instead of serving on. */
  once: boolean;
  burst: boolean;
  reportFile: string | undefined;
  tasksFile: string;
  workers: number;
  /** How many times faster than real the emulated clouds and the tasks' hold times run. */
  speed: number;
  seed: number;
  /** Times between the deaths of a worker process, for a burst that shows that none matters; 0 for none. */
  killWorkerEverySeconds: number;
}

/** One `npm start`. */
export interface StartRun {
  options: StartOptions;
  env: Environment;
  cwd: string;
  say(line: string): void;
}

const USAGE = `npm start -- [--once] [--no-burst] [--report FILE] [--tasks FILE] [--workers N] [--speed N] [--seed N]`;

/** Reads what `npm start -- ...` was given. Throws a SetupError that says what it takes. */
export function readStartOptions(args: readonly string[]): StartOptions {
  const values = parse(args);
  return {
    once: values.once,
    burst: !values['no-burst'],
    reportFile: values.report,
    tasksFile: values.tasks,
    workers: wholeNumber('--workers', values.workers, { least: 1, most: 16 }),
    speed: wholeNumber('--speed', values.speed, { least: 1, most: 1000 }),
    seed: wholeNumber('--seed', values.seed, { least: 0, most: 2 ** 31 }),
    killWorkerEverySeconds: wholeNumber('--kill-worker-every', values['kill-worker-every'], {
      least: 0,
      most: 3600,
    }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean', default: false },
        'no-burst': { type: 'boolean', default: false },
        report: { type: 'string' },
        tasks: { type: 'string', default: 'examples/arrivals.csv' },
        workers: { type: 'string', default: '2' },
        speed: { type: 'string', default: '100' },
        seed: { type: 'string', default: '1' },
        'kill-worker-every': { type: 'string', default: '0' },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

function wholeNumber(name: string, text: string, bounds: { least: number; most: number }): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= bounds.least && value <= bounds.most) return value;
  throw new SetupError(`${name} must be a whole number from ${bounds.least} to ${bounds.most}, not ${text}`);
}
