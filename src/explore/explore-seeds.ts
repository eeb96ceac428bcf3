import { explore, type Exploration, type ExploreOptions } from './explore.ts';
import type { Counted } from './faults.ts';
import type { HistoryEntry } from './history.ts';
import { shrink } from './shrink.ts';

/** What the auditor says of a history. */
export interface Verdict {
  checked: Counted;
  violations: readonly { invariant: string; at: number; subject: string; message: string }[];
}

export interface SeedViolation {
  seed: number;
  /** I1 to I12, or `run` for what no history tells: an unexpected error, a run that never became quiet. */
  invariant: string;
  message: string;
}

export interface ExploreReport {
  seeds: number;
  steps: number;
  /** Against how much each invariant was really held, over all seeds. */
  checked: Counted;
  /** How often each fault was really let happen. */
  faults: Counted;
  violations: SeedViolation[];
  seconds: number;
}

export interface SeedsOptions extends Omit<ExploreOptions, 'seed'> {
  from: number;
  seeds: number;
  /** How many runs may be under way side by side; one where left out. */
  atOnce?: number;
  audit(history: readonly HistoryEntry[]): Verdict;
  /** Seconds that have passed, for the report alone. */
  seconds(): number;
  /** Told of each run that went wrong, with all it has to show; shrunk to the faults that it takes. */
  onFailure?(failure: Failure): void;
}

export interface Failure {
  run: Exploration;
  violations: readonly SeedViolation[];
  /** The places of the faults that it takes. */
  faults: readonly string[];
}

/** Runs seeds and has each history audited, in their order. */
export async function exploreSeeds(options: SeedsOptions): Promise<ExploreReport> {
  const { seeds, audit, seconds, onFailure } = options;
  const begunAt = seconds();
  const report: ExploreReport = { seeds, steps: 0, checked: {}, faults: {}, violations: [], seconds: 0 };
  for await (const run of exploreInOrder(options)) {
    const verdict = audit(run.history);
    const violations = violationsOf(run, verdict);
    report.steps += run.steps;
    addUp(report.checked, verdict.checked);
    addUp(report.faults, run.faults);
    report.violations.push(...violations);
    if (violations.length > 0 && onFailure !== undefined)
      onFailure(await shrinkRun(options, run, violations));
  }
  report.seconds = seconds() - begunAt;
  return report;
}

async function* exploreInOrder(options: SeedsOptions): AsyncGenerator<Exploration> {
  const { from, seeds, atOnce = 1 } = options;
  const underWay: Promise<Exploration>[] = [];
  try {
    for (let seed = from; seed < from + seeds; seed += 1) {
      const run = explore({ ...options, seed });
      // It is heard of when its turn comes.
      run.catch(() => undefined);
      underWay.push(run);
      if (underWay.length < atOnce) continue;
      const [first] = underWay.splice(0, 1);
      if (first !== undefined) yield await first;
    }
    for (const run of underWay) yield await run;
  } finally {
    // Where one of them fails the others still use what they are explored over.
    await Promise.allSettled(underWay);
  }
}

/** The same seed with the fewest faults that still break the same invariant. */
async function shrinkRun(
  options: SeedsOptions,
  whole: Exploration,
  violations: readonly SeedViolation[],
): Promise<Failure> {
  const { audit, faults } = options;
  const broken = new Set(violations.map((violation) => violation.invariant));
  let found: Failure = { run: whole, violations, faults: [...(faults ?? whole.faultPlaces)] };
  await shrink(found.faults, async (only) => {
    const run = await explore({ ...options, seed: whole.seed, faults: only });
    const seen = violationsOf(run, audit(run.history));
    const fails = seen.some((violation) => broken.has(violation.invariant));
    if (fails) found = { run, violations: seen, faults: [...only] };
    return fails;
  });
  return found;
}

function violationsOf({ seed, failures }: Exploration, verdict: Verdict): SeedViolation[] {
  return [
    ...failures.map((message) => ({ seed, invariant: 'run', message })),
    ...verdict.violations.map(({ invariant, message }) => ({ seed, invariant, message })),
  ];
}

function addUp(sums: Counted, counts: Counted): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}
