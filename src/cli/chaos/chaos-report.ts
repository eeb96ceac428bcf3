import { BLOW_KINDS, type BlowKind } from './plan.ts';
import type { Quantiles } from './recovery.ts';

/** What `--report FILE` writes: every figure is a finite number. */
export interface ChaosReport {
  minutes: number;
  seed: number;
  seconds: number;
  /** How often each kind of blow has fallen; of a call fault, how often it has hit a call. */
  faults: Record<BlowKind, number> & {
    /** All faults of calls together. */
    cloudFault: number;
  };
  leases: {
    requested: number;
    acknowledged: number;
    completed: number;
    failed: number;
    cancelled: number;
    expired: number;
    lost: number;
    /** Acknowledged, and after quiet in no final state that its client can read. */
    stuck: number;
  };
  machines: { launched: number; deleted: number; reused: number; leaked: number };
  checked: Record<string, number>;
  violations: Record<string, number>;
  /** From a worker's kill until what it had in hand went on; time without PostgreSQL or Redis is not counted. */
  recoverySeconds: Quantiles & { samples: number; neverRecovered: number };
  outageSeconds: { postgres: number; redis: number };
  /** What should not have happened, and is not the auditor's to see. */
  unexpected: { deaths: number; complaints: number };
}

const RECOVERY_MOST_SECONDS = 15;
/** A shorter run may end before each kind has had its turn. */
const EVERY_KIND_FROM_MINUTES = 5;

/** Why a run has failed, a sentence each; none where it held. */
export function findFailures(report: ChaosReport): string[] {
  const { leases, machines, recoverySeconds, unexpected } = report;
  return [
    ...namesOf(report.violations, (count) => count > 0).map(
      (id) => `${id} is violated ${report.violations[id]} times`,
    ),
    ...namesOf(report.checked, (count) => count === 0).map((id) => `${id} was held against nothing`),
    ...(report.minutes >= EVERY_KIND_FROM_MINUTES
      ? namesOf(report.faults, (count) => count === 0).map((kind) => `${kind} has never fallen`)
      : []),
    ...(leases.stuck > 0 ? [`${leases.stuck} acknowledged leases are stuck`] : []),
    ...(leases.acknowledged === 0 ? ['no lease was acknowledged'] : []),
    ...(machines.leaked > 0 ? [`${machines.leaked} instances are left in the clouds`] : []),
    ...(recoverySeconds.p95 > RECOVERY_MOST_SECONDS
      ? [`recovery took ${recoverySeconds.p95} s (p95), more than ${RECOVERY_MOST_SECONDS} s`]
      : []),
    ...(recoverySeconds.neverRecovered > 0
      ? [`${recoverySeconds.neverRecovered} steps of killed workers were never claimed again`]
      : []),
    ...(unexpected.deaths > 0 ? [`${unexpected.deaths} processes ended that nobody had killed`] : []),
    ...(unexpected.complaints > 0
      ? [`${unexpected.complaints} clients were answered what they should not`]
      : []),
  ];
}

function namesOf(counts: Readonly<Record<string, number>>, holds: (count: number) => boolean): string[] {
  return Object.entries(counts).flatMap(([name, count]) => (holds(count) ? [name] : []));
}

/** The report for people. */
export function toSummary(report: ChaosReport): string {
  const { leases, machines, recoverySeconds, outageSeconds, faults } = report;
  const failures = findFailures(report);
  const ends = (['failed', 'cancelled', 'expired', 'lost', 'stuck'] as const).map(
    (end) => `${leases[end]} ${end}`,
  );
  return [
    '',
    `leases     ${leases.completed} of ${leases.acknowledged} acknowledged completed, ${ends.join(', ')}`,
    `machines   ${machines.launched} launched, ${machines.reused} resets for another use, ${machines.deleted} deleted, ${machines.leaked} leaked`,
    `recovery   p50 ${recoverySeconds.p50} s, p95 ${recoverySeconds.p95} s, at most ${recoverySeconds.max} s (${recoverySeconds.samples} claims of killed workers)`,
    `outages    PostgreSQL ${outageSeconds.postgres} s, Redis ${outageSeconds.redis} s`,
    `faults     ${BLOW_KINDS.map((kind) => `${kind} ${faults[kind]}`).join(', ')}`,
    '',
    'invariant  checked  violations',
    ...Object.keys(report.checked).map(
      (id) => `${id.padEnd(9)}${cell(report.checked[id], 9)}${cell(report.violations[id], 12)}`,
    ),
    '',
    ...failures.map((failure) => `! ${failure}`),
    `${failures.length === 0 ? 'nothing stuck, nothing leaked, nothing overtaken' : 'NOT CLEAN'}; ${report.seconds} s`,
    '',
  ].join('\n');
}

function cell(value: number | undefined, width: number): string {
  return String(value ?? 0).padStart(width);
}
