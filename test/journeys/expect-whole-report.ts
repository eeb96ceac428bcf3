import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { StartReport } from '../../src/cli/start/report.ts';

const INVARIANTS = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11', 'I12'];

/** The example's report says that all was done, that nothing is left, and that every promise was put to the test. */
export async function expectWholeReport(file: string): Promise<StartReport> {
  const report: StartReport = JSON.parse(await readFile(file, 'utf8'));
  expect(numbersIn(report).filter((figure) => !Number.isFinite(figure))).toEqual([]);
  expect(report.leases).toEqual({ requested: 300, completed: 300, failed: 0, stuck: 0 });
  const { launched, deleted, reused, leaked } = report.machines;
  expect({ deleted, leaked }).toEqual({ deleted: launched, leaked: 0 });
  expect(launched).toBeGreaterThan(0);
  expect(reused).toBeGreaterThan(0);
  expect(Object.keys(report.checked)).toEqual(INVARIANTS);
  expect(Object.entries(report.checked).filter(([, count]) => count <= 0)).toEqual([]);
  expect(report.violations).toEqual(Object.fromEntries(INVARIANTS.map((id) => [id, 0])));
  expect(report.apiCalls.aws['RunInstances']).toBeGreaterThan(0);
  expect(report.apiCalls.aws['TerminateInstances']).toBeGreaterThan(0);
  expect(report.apiCalls.azure['VirtualMachineScaleSets_Update']).toBeGreaterThan(0);
  expect(report.apiCalls.azure['VirtualMachineScaleSets_DeleteInstances']).toBeGreaterThan(0);
  expect(report.seconds).toBeGreaterThan(0);
  return report;
}

/** Every figure of a report; what is none counts as one that is not finite. */
function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'object' || value === null) return [Number.NaN];
  return Object.values(value).flatMap(numbersIn);
}
