import { expect, test } from 'vitest';
import { type ChaosReport, findFailures, toSummary } from '../../src/cli/chaos/chaos-report.ts';
import { BLOW_KINDS } from '../../src/cli/chaos/plan.ts';

const INVARIANTS = Array.from({ length: 12 }, (_, index) => `I${index + 1}`);

function each<Name extends string>(names: readonly Name[], value: number): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, value])) as Record<Name, number>;
}

/** Ten minutes in which everything held. */
function soundReport(): ChaosReport {
  return {
    ...{ minutes: 10, seed: 1, seconds: 640 },
    faults: { ...each(BLOW_KINDS, 9), cloudFault: 45 },
    leases: {
      ...{ requested: 900, acknowledged: 900, completed: 880 },
      ...{ failed: 0, cancelled: 0, expired: 0, lost: 20, stuck: 0 },
    },
    machines: { launched: 500, deleted: 500, reused: 300, leaked: 0 },
    checked: each(INVARIANTS, 100),
    violations: each(INVARIANTS, 0),
    recoverySeconds: { p50: 8, p95: 15, max: 19, samples: 60, neverRecovered: 0 },
    outageSeconds: { postgres: 220, redis: 40 },
    unexpected: { deaths: 0, complaints: 0 },
  };
}

test('a run in which everything held has no failure, although leases were lost with their machines', () => {
  expect(findFailures(soundReport())).toEqual([]);
  expect(toSummary(soundReport())).toContain('nothing stuck, nothing leaked, nothing overtaken; 640 s');
});

test.each<[string, (report: ChaosReport) => void, string]>([
  ['a violation', (report) => (report.violations['I1'] = 2), 'I1 is violated 2 times'],
  ['an invariant without a check', (report) => (report.checked['I12'] = 0), 'I12 was held against nothing'],
  ['a kind that never fell', (report) => (report.faults.redisKilled = 0), 'redisKilled has never fallen'],
  ['a stuck lease', (report) => (report.leases.stuck = 1), '1 acknowledged leases are stuck'],
  ['no lease at all', (report) => (report.leases.acknowledged = 0), 'no lease was acknowledged'],
  ['a leak', (report) => (report.machines.leaked = 3), '3 instances are left in the clouds'],
  ['a slow recovery', (report) => (report.recoverySeconds.p95 = 15.01), 'recovery took 15.01 s (p95)'],
  [
    'a step that was forgotten',
    (report) => (report.recoverySeconds.neverRecovered = 1),
    '1 steps of killed workers',
  ],
  ['a death of its own accord', (report) => (report.unexpected.deaths = 1), '1 processes ended'],
  ['a wrong answer', (report) => (report.unexpected.complaints = 1), '1 clients were answered'],
])('%s fails the run, and the summary says so', (_what, spoil, why) => {
  const report = soundReport();
  spoil(report);
  expect(findFailures(report)).toEqual([expect.stringContaining(why)]);
  expect(toSummary(report)).toContain(`! ${why}`);
  expect(toSummary(report)).toContain('NOT CLEAN');
});

test('a run of less than five minutes may leave out a kind', () => {
  const report = { ...soundReport(), minutes: 4 };
  report.faults.workerPausedWhileSending = 0;
  expect(findFailures(report)).toEqual([]);
});
