import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Killer } from './mutant.ts';

const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const DEADLINE_MS = 400_000;

export interface Outcome {
  status: 'passed' | 'failed';
  /** What it failed with, its type first; empty where it passed. */
  failure: string;
}

export interface TestRun {
  /** Of one test; undefined where it did not run. */
  outcomeOf(killer: Killer): Outcome | undefined;
  /** The end of what the run said, for whoever has to find out why a test did not run. */
  said: string;
}

/** Runs the named tests of a checkout, in a process of its own, on servers that already run. */
export async function runTests(
  dir: string,
  killers: readonly Killer[],
  servers: { databaseUrl: string; redisUrl: string },
): Promise<TestRun> {
  const report = join(dir, 'report.json');
  await rm(report, { force: true });
  const files = [...new Set(killers.map((killer) => killer.file))];
  const names = killers.map((killer) => `^\\s*${escape(killer.title)}$`).join('|');
  const said = await runVitest(dir, {
    args: ['run', ...files, '-t', names, '--reporter=json', `--outputFile=${report}`],
    env: { DATABASE_URL: servers.databaseUrl, REDIS_URL: servers.redisUrl },
  });
  const results = readReport(await readFile(report, 'utf8').catch(() => '{}'));
  return {
    said,
    outcomeOf({ file, title }) {
      const found = results.find((result) => result.file === join(dir, file) && result.title === title);
      return found === undefined || found.status === 'skipped' ? undefined : (found as Outcome);
    },
  };
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

function runVitest(dir: string, on: { args: readonly string[]; env: NodeJS.ProcessEnv }): Promise<string> {
  // What this very test run has set for itself is not for another one.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_ENV$|TEST$|VITE)/.test(name),
  );
  const child = spawn(process.execPath, [VITEST, ...on.args], {
    cwd: dir,
    env: {
      ...Object.fromEntries(inherited),
      ...on.env,
      NO_COLOR: '1',
      NODE_COMPILE_CACHE: join(dir, 'compiled'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (said = (said + text).slice(-4000)));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(said));
  });
}

interface Result {
  file: string;
  title: string;
  status: 'passed' | 'failed' | 'skipped';
  failure: string;
}

interface Report {
  testResults?: readonly {
    name: string;
    assertionResults: readonly {
      ancestorTitles: readonly string[];
      title: string;
      status: string;
      failureMessages?: readonly string[];
    }[];
  }[];
}

function readReport(text: string): Result[] {
  const report = JSON.parse(text) as Report;
  return (report.testResults ?? []).flatMap(({ name, assertionResults }) =>
    assertionResults.map((result) => {
      const ran = result.status === 'passed' || result.status === 'failed';
      const status: Result['status'] = ran ? (result.status as 'passed' | 'failed') : 'skipped';
      const title = [...result.ancestorTitles, result.title].join(' > ');
      return { file: name, title, status, failure: result.failureMessages?.[0] ?? '' };
    }),
  );
}
