import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type AuditReport, countViolations } from '../../audit/audit.ts';
import { SetupError, systemCode } from '../../embedded/setup-error.ts';
import type { BurstResult } from './burst.ts';
import type { EmulatorStates } from './emulator-control.ts';
import { TROUBLES } from './example-fleet.ts';

/** What `--report FILE` writes: every figure is a finite number. */
export interface StartReport {
  leases: { requested: number; completed: number; failed: number; stuck: number };
  machines: { launched: number; deleted: number; reused: number; leaked: number };
  checked: Record<string, number>;
  violations: Record<string, number>;
  apiCalls: { aws: Record<string, number>; azure: Record<string, number> };
  seconds: number;
}

export function makeReport(from: {
  burst: BurstResult;
  states: EmulatorStates;
  verdict: AuditReport;
  seconds: number;
}): StartReport {
  const { burst, states, verdict } = from;
  const clouds = Object.values(states);
  const sum = (count: (cloud: EmulatorStates['aws']) => number): number =>
    clouds.reduce((total, cloud) => total + count(cloud), 0);
  return {
    leases: {
      requested: burst.requested,
      completed: burst.completed,
      failed: burst.failed,
      stuck: burst.stuck,
    },
    machines: {
      launched: sum((cloud) => cloud.launched),
      deleted: sum((cloud) => cloud.deleted),
      reused: sum((cloud) => cloud.resets),
      leaked: sum((cloud) => cloud.alive.length),
    },
    checked: verdict.checked,
    violations: countViolations(verdict),
    apiCalls: { aws: states.aws.calls, azure: states.azure.calls },
    seconds: Math.round(from.seconds * 10) / 10,
  };
}

/** Throws a SetupError where no report could be written: to be told before everything is played, not after. */
export async function checkReportPlace(file: string): Promise<void> {
  const isFolder = await stat(file).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (isFolder) throw new SetupError(`--report names ${file}, which is a folder: name a file`);
  await access(dirname(file), constants.W_OK).catch((error: unknown) => {
    throw new SetupError(
      `--report cannot be written to ${file} (${systemCode(error) ?? String(error)}): name a file in a folder that is there and writable`,
      { cause: error },
    );
  });
}

export async function writeReport(report: StartReport, file: string): Promise<void> {
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** True where nothing that was promised was broken. */
export function isClean(report: StartReport): boolean {
  const { leases, machines, violations } = report;
  const broken = Object.values(violations).reduce((total, each) => total + each, 0);
  return leases.stuck === 0 && leases.failed === 0 && machines.leaked === 0 && broken === 0;
}

/** The report for people. */
export function toTable(report: StartReport, verdict: AuditReport, states: EmulatorStates): string {
  const { leases, machines } = report;
  return [
    '',
    `leases     ${leases.completed} of ${leases.requested} completed, ${leases.failed} failed, ${leases.stuck} stuck`,
    `machines   ${machines.launched} launched, ${machines.reused} resets for another use, ${machines.deleted} deleted, ${machines.leaked} leaked`,
    `calls      aws ${total(report.apiCalls.aws)}, azure ${total(report.apiCalls.azure)} (polls and listings included)`,
    `troubles   ${TROUBLES.map((trouble) => trouble.tells).join('; ')}`,
    `           hit: ${hits(states)}`,
    '',
    'invariant  checked  violations',
    ...Object.keys(report.checked).map(
      (id) => `${id.padEnd(9)}${cell(report.checked[id])}${cell(report.violations[id], 12)}`,
    ),
    ...verdict.violations.slice(0, 20).map((each) => `! ${each.invariant} ${each.subject}: ${each.message}`),
    '',
    `${isClean(report) ? 'nothing stuck, nothing leaked, nothing overtaken' : 'NOT CLEAN'}; ${report.seconds} s`,
    '',
  ].join('\n');
}

function total(calls: Record<string, number>): number {
  return Object.values(calls).reduce((sum, each) => sum + each, 0);
}

function hits(states: EmulatorStates): string {
  const named = Object.entries(states).flatMap(([cloud, { faults }]) =>
    Object.entries(faults).map(([kind, count]) => `${cloud} ${kind} ${count}`),
  );
  return named.join(', ') || 'none';
}

function cell(value: number | undefined, width = 9): string {
  return String(value ?? 0).padStart(width);
}
