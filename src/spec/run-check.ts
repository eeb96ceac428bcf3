import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check, CheckResult } from './check.ts';
import type { Tools } from './find-tools.ts';
import { type PanReport, readPan, readTrail, type Trail } from './read-pan.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

export interface CheckSetup {
  tools: Tools;
  /** The folder of the models. */
  models: string;
  searchPath: string;
  /** Of memory, for one search. */
  megabytes: number;
  timeoutMs: number;
}

/** A path that is searched deeper than this is a mistake in a model. */
const DEPTH = 2_000_000;

/** Checks one model, or one mutant of it, in a folder of its own that is gone afterwards. */
export async function runCheck(check: Check, setup: CheckSetup): Promise<CheckResult> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-spec-'));
  try {
    return await search(check, setup, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function search(check: Check, setup: CheckSetup, folder: string): Promise<CheckResult> {
  const { spin, compiler } = setup.tools;
  const run = { cwd: folder, searchPath: setup.searchPath, timeoutMs: setup.timeoutMs };
  const told = check.switches.map((name) => `-D${name}`);
  const source = join(setup.models, `${check.model}.pml`);
  const preprocessor = `-P${compiler} -E -x c`;
  const generated = await runProgram([spin, preprocessor, ...told, '-a', source], run);
  if (generated.code !== 0) return failed(check, `spin does not read ${check.model}.pml`, generated);
  // Breadth first finds the shortest counterexample; depth first needs less memory where there is none.
  const order = check.mutant === undefined || check.mutant.breaks === null ? [] : ['-DBFS'];
  const flags = ['-O1', '-w', '-DSAFETY', '-DNOREDUCE', `-DMEMLIM=${setup.megabytes}`, ...order];
  const compiled = await runProgram([compiler, ...flags, '-o', 'pan', 'pan.c'], run);
  if (compiled.code !== 0) return failed(check, 'the search does not compile', compiled);
  const searched = await runProgram([join(folder, 'pan'), `-m${DEPTH}`], run);
  const report = readPan(searched.stdout);
  if (report === undefined) return failed(check, 'the search did not come to its end', searched);
  if (report.errors === 0) return judge(check, report, NO_TRAIL);
  const trail = `${check.model}.pml.trail`;
  const replayed = await runProgram([spin, preprocessor, ...told, '-t', '-k', trail, source], run);
  return judge(check, report, readTrail(replayed.stdout));
}

const NO_TRAIL: Trail = { story: [], broken: null, steps: 0 };

/** What a run comes to, held against what its row promises. */
export function judge(check: Check, report: PanReport, trail: Trail): CheckResult {
  const { exhaustive, errors, states, seconds } = report;
  const found = { check, states, seconds, trail: trail.story, exhaustive: exhaustive && errors === 0 };
  if (!exhaustive) {
    const problem = `the search was cut short: ${report.complaint ?? 'memory or depth'}`;
    return { ...found, asExpected: false, depth: report.depth, broken: null, problem };
  }
  const broken = errors === 0 ? null : (trail.broken ?? report.complaint ?? 'something');
  const depth = errors === 0 ? report.depth : trail.steps;
  return { ...found, asExpected: broken === (check.mutant?.breaks ?? null), depth, broken, problem: '' };
}

function failed(check: Check, what: string, result: ProgramResult): CheckResult {
  const said = `${result.stderr}\n${result.stdout}`.split('\n').filter((line) => line.trim() !== '');
  const why = result.code === undefined ? 'it took too long' : said.slice(0, 5).join('; ');
  const nothing = { states: 0, depth: 0, seconds: 0, broken: null, trail: [] };
  return { check, asExpected: false, exhaustive: false, ...nothing, problem: `${what}: ${why}` };
}
