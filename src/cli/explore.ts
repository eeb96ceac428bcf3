import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { audit } from '../audit/audit.ts';
import { exploreSeeds, type Failure } from '../explore/explore-seeds.ts';
import { FAULTS } from '../explore/faults.ts';
import { EXIT } from './exit-codes.ts';

interface Options {
  seeds: number;
  from: number;
  /** With one seed: the places of the faults that are let happen. */
  faults: ReadonlySet<string> | undefined;
  report: string | undefined;
}

const USAGE = 'npm run explore -- --seeds N [--from S] [--faults PLACES] [--store memory] [--report FILE]';

/**
 * Runs the whole fleet under N seeds: its real workers over ports in memory, a virtual clock and a seeded choice of
 * what happens next and what goes wrong. Resolves to the exit code: 1 where any seed broke an invariant.
 */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    process.stderr.write(`drover: ${options}\n${USAGE}\n`);
    return EXIT.usage;
  }
  const { seeds, from, faults } = options;
  const seconds = (): number => performance.now() / 1000;
  const report = await exploreSeeds({ seeds, from, faults, audit, seconds, onFailure: tellFailure });
  if (options.report !== undefined) await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`);
  const failed = new Set(report.violations.map((violation) => violation.seed));
  const steps = `${report.steps} steps in ${report.seconds.toFixed(1)} s`;
  process.stdout.write(`${seeds} seeds from ${from}, ${steps}: ${failed.size} seeds with a violation\n`);
  return failed.size > 0 ? EXIT.failed : EXIT.ok;
}

const DEFAULT_SEEDS = 200;
const MOST = 10_000_000;

/** A sentence where the arguments are wrong. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string', default: String(DEFAULT_SEEDS) },
        from: { type: 'string', default: '1' },
        faults: { type: 'string' },
        store: { type: 'string', default: 'memory' },
        report: { type: 'string' },
      },
    });
    const [seeds, from] = [toNumber(values.seeds), toNumber(values.from)];
    if (seeds === undefined || seeds === 0) return `--seeds must be a whole number from 1 to ${MOST}`;
    if (from === undefined) return `--from must be a whole number from 0 to ${MOST}`;
    const faults = toPlaces(values.faults);
    if (faults === null || (faults !== undefined && seeds !== 1))
      return '--faults takes the places of faults as a failing seed tells them (crash:0,lostJob:2), and goes with --seeds 1';
    if (values.store !== 'memory') return `--store must be memory, not ${values.store}`;
    return { seeds, from, faults, report: values.report };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function toNumber(text: string): number | undefined {
  const number = Number(text);
  return /^\d+$/.test(text) && number <= MOST ? number : undefined;
}

/** Undefined where nothing is said; null where it makes no sense. */
function toPlaces(text: string | undefined): ReadonlySet<string> | undefined | null {
  if (text === undefined) return undefined;
  const places = text === '' ? [] : text.split(',');
  return places.every(isPlace) ? new Set(places) : null;
}

function isPlace(text: string): boolean {
  const [fault, number = ''] = text.split(':');
  return FAULTS.some((each) => each === fault) && toNumber(number) !== undefined;
}

/** The trace of a failing run with the faults that it takes, what broke, and how to see it again. */
function tellFailure({ run, violations, faults }: Failure): void {
  const lines = [
    `seed ${run.seed}, shrunk to ${faults.length} faults: every step, in milliseconds since its beginning`,
    ...run.trace.map((line) => `  ${line}`),
    ...violations.map(({ invariant, message }) => `seed ${run.seed} breaks ${invariant}: ${message}`),
    `see it again with: npm run explore -- --seeds 1 --from ${run.seed} --faults ${faults.join(',')}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
