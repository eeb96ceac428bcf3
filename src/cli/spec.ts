import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../config.ts';
import type { CheckResult } from '../spec/check.ts';
import { chooseChecks } from '../spec/choose-checks.ts';
import { CHECKS } from '../spec/checks.ts';
import { findTools } from '../spec/find-tools.ts';
import { toReport } from '../spec/report.ts';
import { runCheck } from '../spec/run-check.ts';
import { runChecks } from '../spec/run-checks.ts';
import { sayResult } from '../spec/say-result.ts';
import { EXIT } from './exit-codes.ts';

interface Options {
  only: string | undefined;
  trails: boolean;
  report: string | undefined;
}

const USAGE = 'npm run spec -- [--only MODEL or MODEL/MUTANT] [--trails] [--report FILE]';

/** Two searches at once, so that two cores are busy and 4 GB are enough for both. */
const AT_ONCE = 2;
const MEGABYTES = 1800;
const TIMEOUT_MS = 300_000;

/**
 * Verifies the models of the design and shows that each rule taken out of one breaks it. Resolves to the exit code:
 * 1 where a model is not verified, a mutant finds nothing, or a tool is absent.
 */
export async function main(args: readonly string[], searchPath: string): Promise<number> {
  const options = readOptions(args);
  const checks = typeof options === 'string' ? options : chooseChecks(CHECKS, options.only);
  if (typeof options === 'string') return usage(options);
  if (checks === undefined || typeof checks === 'string') {
    return usage(
      `there is no model or mutant ${options.only ?? ''}: ${CHECKS.map(({ name }) => name).join(', ')}`,
    );
  }
  const tools = await findTools(searchPath);
  if (typeof tools === 'string') {
    process.stderr.write(`drover: ${tools}\n`);
    return EXIT.failed;
  }
  const models = fileURLToPath(new URL('../../spec', import.meta.url));
  const setup = { tools, models, searchPath, megabytes: MEGABYTES, timeoutMs: TIMEOUT_MS };
  const startedMs = performance.now();
  const results = await runChecks(checks, {
    atOnce: AT_ONCE,
    run: (check) => runCheck(check, setup),
    tell: (result) => process.stdout.write(`${sayResult(result, options.trails).join('\n')}\n`),
  });
  return conclude(results, { options, seconds: (performance.now() - startedMs) / 1000 });
}

async function conclude(
  results: readonly CheckResult[],
  { options, seconds }: { options: Options; seconds: number },
): Promise<number> {
  if (options.report !== undefined) {
    await writeFile(options.report, `${JSON.stringify(toReport(results, seconds), null, 2)}\n`);
  }
  const surprises = results.filter(({ asExpected }) => !asExpected);
  const states = results.reduce((sum, result) => sum + result.states, 0);
  const told = `${results.length} checks, ${states} states, ${seconds.toFixed(1)} s: ${surprises.length} surprises`;
  process.stdout.write(`${told}\n`);
  return surprises.length > 0 ? EXIT.failed : EXIT.ok;
}

function usage(why: string): number {
  process.stderr.write(`drover: ${why}\n${USAGE}\n`);
  return EXIT.usage;
}

/** A sentence where the arguments are wrong. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        trails: { type: 'boolean', default: false },
        report: { type: 'string' },
      },
    });
    return { only: values.only, trails: values.trails, report: values.report };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), readEnvironment()['PATH'] ?? '');
