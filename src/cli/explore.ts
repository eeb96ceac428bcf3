import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { audit } from '../audit/audit.ts';
import { readEnvironment, type Environment } from '../config.ts';
import { SetupError } from '../embedded/setup-error.ts';
import { exploreSeeds, type ExploreReport, type Failure } from '../explore/explore-seeds.ts';
import { FAULTS } from '../explore/faults.ts';
import { EXIT, exitCodeOfSignal } from './exit-codes.ts';

interface Options {
  seeds: number;
  from: number;
  /** With one seed: the places of the faults that are let happen. */
  faults: ReadonlySet<string> | undefined;
  store: 'memory' | 'postgres';
  report: string | undefined;
}

const USAGE =
  'npm run explore -- --seeds N [--from S] [--faults PLACES] [--store memory or postgres] [--report FILE]';

/**
 * Runs the whole fleet under N seeds: its real workers over ports in memory, or over an embedded PostgreSQL, a virtual
 * clock and a seeded choice of what happens next and what goes wrong. Resolves to the exit code: 1 where any seed broke
 * an invariant, 2 where the arguments or the set-up are wrong, 130 where it was interrupted.
 */
export async function main(args: readonly string[], env: Environment = readEnvironment()): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    process.stderr.write(`drover: ${options}\n${USAGE}\n`);
    return EXIT.usage;
  }
  try {
    const report = await runSeeds(options, env);
    return report === 'interrupted' ? exitCodeOfSignal(SIGINT) : await tell(options, report);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`drover: ${error.message}\n`);
    return EXIT.usage;
  }
}

const SIGINT = 2;
/** While one run waits for PostgreSQL, others go on. */
const AT_ONCE = 3;

async function runSeeds(options: Options, env: Environment): Promise<ExploreReport | 'interrupted'> {
  const { seeds, from, faults, store } = options;
  const seconds = (): number => performance.now() / 1000;
  const onFailure = (failure: Failure): void => tellFailure(store, failure);
  const how = { seeds, from, faults, audit, seconds, onFailure };
  if (store === 'memory') return exploreSeeds(how);
  // What the real storage takes to load is nothing to those who explore in memory.
  const { withPostgres } = await import('./explore/with-postgres.ts');
  const say = (line: string): void => void process.stderr.write(`drover: ${line}\n`);
  return withPostgres({ env, say }, (openStore, signal) =>
    exploreSeeds({ ...how, openStore, signal, atOnce: AT_ONCE }),
  );
}

async function tell({ seeds, from, store, report: file }: Options, report: ExploreReport): Promise<number> {
  if (file !== undefined) await writeFile(file, `${JSON.stringify({ store, ...report }, null, 2)}\n`);
  const failed = new Set(report.violations.map((violation) => violation.seed));
  const steps = `${report.steps} steps in ${report.seconds.toFixed(1)} s`;
  process.stdout.write(`${seeds} seeds from ${from}, ${steps}: ${failed.size} seeds with a violation\n`);
  return failed.size > 0 ? EXIT.failed : EXIT.ok;
}

const DEFAULT_SEEDS = 200;
const MOST = 10_000_000;
const STORES: readonly Options['store'][] = ['memory', 'postgres'];

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
    const { report } = values;
    const store = STORES.find((each) => each === values.store);
    if (store === undefined) return `--store must be memory or postgres, not ${values.store}`;
    return { seeds, from, faults, store, report };
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
function tellFailure(store: Options['store'], { run, violations, faults }: Failure): void {
  const over = store === 'memory' ? '' : ` --store ${store}`;
  const lines = [
    `seed ${run.seed}, shrunk to ${faults.length} faults: every step, in milliseconds since its beginning`,
    ...run.trace.map((line) => `  ${line}`),
    ...violations.map(({ invariant, message }) => `seed ${run.seed} breaks ${invariant}: ${message}`),
    `see it again with: npm run explore -- --seeds 1 --from ${run.seed} --faults ${faults.join(',')}${over}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
