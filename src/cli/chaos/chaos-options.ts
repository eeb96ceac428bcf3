import { parseArgs } from 'node:util';
import { SetupError } from '../../embedded/setup-error.ts';

export interface ChaosOptions {
  /** How long blows fall; quiet and audit come after. */
  minutes: number;
  /** Of the plan, of the choice of victims, and of the emulated clouds. */
  seed: number;
  reportFile: string | undefined;
}

const USAGE = 'npm run chaos -- [--minutes N] [--seed S] [--report FILE]';
const MINUTES_MOST = 24 * 60;
const SEED_MOST = 2 ** 31;

/** Reads what `npm run chaos -- ...` was given. Throws a SetupError that says what it takes. */
export function readChaosOptions(args: readonly string[]): ChaosOptions {
  const values = parse(args);
  return {
    minutes: wholeNumber('--minutes', values.minutes, { least: 1, most: MINUTES_MOST }),
    seed: wholeNumber('--seed', values.seed, { least: 0, most: SEED_MOST }),
    reportFile: values.report,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string', default: '1' },
        seed: { type: 'string', default: '1' },
        report: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

function wholeNumber(name: string, text: string, bounds: { least: number; most: number }): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= bounds.least && value <= bounds.most) return value;
  const range = `from ${bounds.least} to ${bounds.most}`;
  throw new SetupError(`${name} must be a whole number ${range}, not ${text}\n${USAGE}`);
}
