import { audit } from '../../src/audit/audit.ts';
import { openExploreDatabases } from '../../src/cli/explore/postgres-databases.ts';
import { createOpenPostgres } from '../../src/cli/explore/postgres-store.ts';
import { exploreSeeds, type SeedViolation } from '../../src/explore/explore-seeds.ts';

/** What this program is told, as JSON in its first argument. */
export interface SeedsToRun {
  /** Of a server that runs; databases whose names begin with `prefix` are made there, and dropped. */
  serverUrl: string;
  prefix: string;
  from: number;
  /** How many seeds there are to be; those after the first that breaks any of `until` are left out. */
  seeds: number;
  until: readonly string[];
}

const AT_ONCE = 2;

/** Runs seeds of the checkout it stands in, over its own statements on PostgreSQL. */
async function run({ serverUrl, prefix, from, seeds, until }: SeedsToRun): Promise<SeedViolation[]> {
  const databases = await openExploreDatabases({ serverUrl, prefix });
  const how = { audit, openStore: createOpenPostgres(databases), seconds: () => 0, atOnce: AT_ONCE };
  const violations: SeedViolation[] = [];
  try {
    for (let seed = from; seed < from + seeds; seed += AT_ONCE) {
      const report = await exploreSeeds({
        ...how,
        from: seed,
        seeds: Math.min(AT_ONCE, from + seeds - seed),
      });
      violations.push(...report.violations);
      if (violations.some(({ invariant }) => until.includes(invariant))) break;
    }
  } finally {
    await databases.close();
  }
  return violations;
}

const violations = await run(JSON.parse(process.argv[2] ?? '') as SeedsToRun);
process.stdout.write(JSON.stringify(violations));
