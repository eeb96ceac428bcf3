import { type CopiedCheckout, copyCheckout } from './copied-checkout.ts';
import type { Killer, Mutant, Replacement } from './mutant.ts';
import { type Outcome, runTests, type TestRun } from './test-run.ts';

export interface MutantRunner {
  /** Takes the fence out and runs its killer; answers what is wrong with the mutant or its killer, or 'killed'. */
  run(mutant: Mutant): Promise<string>;
  /** Runs every killer without any mutant, all at once; answers those that do not pass. */
  runKillers(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Runs mutants side by side, each in one of a few copies of the checkout, on servers that already run. */
export async function createMutantRunner(options: {
  mutants: readonly Mutant[];
  databaseUrl: string;
  redisUrl: string;
  /** How many run at a time. */
  lanes: number;
}): Promise<MutantRunner> {
  const copies: CopiedCheckout[] = [];
  for (let lane = 0; lane < options.lanes; lane += 1) copies.push(await copyCheckout());
  const lanes = createLanes(copies);
  const run = (killers: readonly Killer[], replacements: readonly Replacement[]): Promise<TestRun> =>
    lanes.use(async (copy) => {
      const putBack = await copy.change(replacements);
      try {
        return await runTests(copy.dir, killers, options);
      } finally {
        await putBack();
      }
    });
  const runAlone = createRunAlone(options.mutants, run);
  return {
    async run(mutant) {
      const { killer, bypassed = [], without } = mutant;
      if (bypassed.length > 0) {
        const alone = await runAlone(mutant);
        const outcome = alone.outcomeOf(killer);
        if (outcome?.status !== 'passed') return `does not stand by itself: ${tell(outcome, alone)}`;
      }
      const mutated = await run([killer], [...bypassed, ...without]);
      return judge(mutated.outcomeOf(killer), mutated);
    },
    async runKillers() {
      const killers = options.mutants.map((mutant) => mutant.killer);
      const whole = await run(killers, []);
      const failing = killers.filter((killer) => whole.outcomeOf(killer)?.status !== 'passed');
      return failing.map((killer) => `${killer.title}: ${tell(whole.outcomeOf(killer), whole)}`);
    },
    async close() {
      for (const copy of copies) await copy.remove();
    },
  };
}

/** With the same guards bypassed the killers of several mutants run together, once. */
function createRunAlone(
  mutants: readonly Mutant[],
  run: (killers: readonly Killer[], replacements: readonly Replacement[]) => Promise<TestRun>,
): (mutant: Mutant) => Promise<TestRun> {
  const keyOf = ({ bypassed = [] }: Mutant): string => JSON.stringify(bypassed);
  const runs = new Map<string, Promise<TestRun>>();
  return (mutant) => {
    const key = keyOf(mutant);
    const known = runs.get(key);
    if (known !== undefined) return known;
    const alike = mutants.filter((other) => keyOf(other) === key);
    const killers = alike.map((other) => other.killer);
    const begun = run(killers, mutant.bypassed ?? []);
    runs.set(key, begun);
    return begun;
  };
}

/** A killer that fails at anything but its own expectation has shown nothing about the fence. */
function judge(outcome: Outcome | undefined, run: TestRun): string {
  if (outcome?.status === 'passed') return 'survived';
  if (outcome !== undefined && isExpectation(outcome.failure)) return 'killed';
  return `failed for another reason: ${tell(outcome, run)}`;
}

/** What `resolves` and `rejects` expect is reported under a plain name, with their own frame first. */
function isExpectation(failure: string): boolean {
  return (
    /^AssertionError\b/.test(failure) ||
    /^Error: .*\n(?:.*\n)*? +at .*__VITEST_RE(?:SOLVES|JECTS)__/.test(failure)
  );
}

function tell(outcome: Outcome | undefined, run: TestRun): string {
  if (outcome === undefined) return `it did not run\n${run.said}`;
  return outcome.status === 'passed' ? 'it passed' : outcome.failure.slice(0, 1000);
}

/** Hands each copy to one user at a time, first come, first served. */
function createLanes(copies: readonly CopiedCheckout[]) {
  const free = [...copies];
  const waiting: ((copy: CopiedCheckout) => void)[] = [];
  const take = (): Promise<CopiedCheckout> => {
    const copy = free.pop();
    return copy === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(copy);
  };
  const giveBack = (copy: CopiedCheckout): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(copy);
    else next(copy);
  };
  return {
    async use<T>(work: (copy: CopiedCheckout) => Promise<T>): Promise<T> {
      const copy = await take();
      try {
        return await work(copy);
      } finally {
        giveBack(copy);
      }
    },
  };
}
