import type { Check, CheckResult } from './check.ts';

/** Runs checks, so many at once, and tells of each as it ends; answers them in the order they were given. */
export async function runChecks(
  checks: readonly Check[],
  on: { atOnce: number; run(check: Check): Promise<CheckResult>; tell(result: CheckResult): void },
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  const left = checks.entries();
  const lane = async (): Promise<void> => {
    for (const [index, check] of left) {
      const result = await on.run(check);
      results[index] = result;
      on.tell(result);
    }
  };
  await Promise.all(Array.from({ length: on.atOnce }, lane));
  return results;
}
