import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { audit, countViolations, type AuditReport } from '../../audit/audit.ts';
import type { HistoryRecord } from '../../audit/history.ts';
import type { Client } from '../../client/client.ts';
import type { Lease } from '../../client/shapes.ts';
import { openRecords } from '../../main.ts';
import { collectHistory } from '../start/collect-history.ts';
import { readEmulators, type EmulatorStates } from '../start/emulator-control.ts';
import type { ChaosFleet, ChaosRun } from './chaos-fleet.ts';
import { findFailures, toSummary, type ChaosReport } from './chaos-report.ts';
import { CALL_FAULTS } from './cloud-faults.ts';
import type { LoadResult } from './load.ts';
import { merge, outsideMs, type Span } from './outages.ts';
import { BLOW_KINDS, type BlowKind } from './plan.ts';
import { measureRecoveries, quantiles, type Loss, type Recovery } from './recovery.ts';

export interface ChaosResult {
  fleet: ChaosFleet;
  client: Client;
  result: LoadResult;
  counts: ReadonlyMap<BlowKind, number>;
  losses: readonly Loss[];
  seconds(): number;
}

/** A job of a process that is gone is found after its lock (10 s) and a look for such (5 s). */
const STALL_MS = 15_000;
const SHOWN = 20;
/** The most that the API gives at once. */
const PAGE = 200;

/**
 * Gathers the history, audits it, writes report and history and tells the summary. Resolves to the exit code.
 * Where something broke, the logs of all processes are kept in the checkout.
 */
export async function judgeChaos(run: ChaosRun, from: ChaosResult): Promise<number> {
  const { fleet } = from;
  const leases = await readLeases(from.client);
  const states = await readEmulators(fleet.emulators.clouds.control);
  // What still looked at the clouds would have them write to their logs while these are read.
  for (const worker of fleet.workers) await worker.stop();
  const history = await gather(from, { leases, states });
  const verdict = audit(history);
  const recoveries = measureRecoveries({ losses: from.losses, history, outages: outagesOf(fleet) });
  const report = makeReport(run, from, { leases, states, verdict, recoveries });
  const { reportFile } = run.options;
  if (reportFile !== undefined) await writeFile(reportFile, `${JSON.stringify(report, null, 2)}\n`);
  run.say(toSummary(report));
  const failed = findFailures(report).length > 0;
  if (failed) await showFailures(run, from, { verdict, recoveries });
  return failed ? 1 : 0;
}

/** As its client reads them, page by page. */
async function readLeases(client: Client): Promise<Map<string, Lease>> {
  const leases = new Map<string, Lease>();
  let cursor: string | undefined;
  do {
    const page = await client.leases({ limit: PAGE, ...(cursor !== undefined && { cursor }) });
    for (const lease of page.leases) leases.set(lease.id, lease);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return leases;
}

function outagesOf({ outages }: ChaosFleet): Span[] {
  return merge(Object.values(outages.spans()).flat());
}

async function gather(
  { fleet, result }: ChaosResult,
  seen: { leases: ReadonlyMap<string, Lease>; states: EmulatorStates },
): Promise<HistoryRecord[]> {
  const { config } = fleet;
  const records = await openRecords(config);
  const longestAwayMs = outagesOf(fleet).reduce((most, span) => Math.max(most, span.toMs - span.fromMs), 0);
  try {
    await mkdir(fleet.checkoutDir, { recursive: true });
    return await collectHistory(
      {
        ...{ stored: records.history(), logDir: fleet.dir, acks: result.acks, states: seen.states },
        machines: await records.machinesLeft(),
        leases: (await records.leases()).map((lease) => ({
          ...lease,
          readable: seen.leases.has(lease.lease),
        })),
        // No round can be while a server is away, and the one whose worker has died is found as stalled.
        reconcileRoundMs: config.work.reconcileMs * 2 + STALL_MS + longestAwayMs,
        limits: Object.fromEntries((config.pools ?? []).map((pool) => [pool.name, pool.max])),
        at: Date.now(),
      },
      join(fleet.checkoutDir, 'chaos-history.jsonl'),
    );
  } finally {
    await records.close();
  }
}

interface Findings {
  leases: ReadonlyMap<string, Lease>;
  states: EmulatorStates;
  verdict: AuditReport;
  recoveries: readonly Recovery[];
}

function makeReport(run: ChaosRun, from: ChaosResult, found: Findings): ChaosReport {
  const { minutes, seed } = run.options;
  const { fleet, result } = from;
  const { states, verdict, recoveries } = found;
  const clouds = Object.values(states);
  const sum = (count: (cloud: EmulatorStates['aws']) => number): number =>
    clouds.reduce((total, cloud) => total + count(cloud), 0);
  const spans = fleet.outages.spans();
  return {
    ...{ minutes, seed, seconds: toTenths(from.seconds()) },
    faults: countFaults(from, states),
    leases: countLeases(result, found.leases),
    machines: {
      launched: sum((cloud) => cloud.launched),
      deleted: sum((cloud) => cloud.deleted),
      reused: sum((cloud) => cloud.resets),
      leaked: sum((cloud) => cloud.alive.length),
    },
    checked: verdict.checked,
    violations: countViolations(verdict),
    recoverySeconds: {
      ...quantiles(recoveries.map(({ seconds }) => seconds)),
      samples: recoveries.length,
      neverRecovered: recoveries.filter(({ isRecovered }) => !isRecovered).length,
    },
    outageSeconds: { postgres: lengthOf(spans.postgres), redis: lengthOf(spans.redis) },
    unexpected: { deaths: fleet.deaths.length, complaints: result.complaints.length },
  };
}

/** Faults of calls are counted where they hit, in the clouds. */
function countFaults({ counts }: ChaosResult, states: EmulatorStates): ChaosReport['faults'] {
  const hits = (kind: string): number =>
    Object.values(states).reduce((sum, { faults }) => sum + (faults[kind] ?? 0), 0);
  const callFaults: Readonly<Record<string, string>> = CALL_FAULTS;
  const countOf = (kind: BlowKind): number => {
    const callFault = callFaults[kind];
    return callFault === undefined ? (counts.get(kind) ?? 0) : hits(callFault);
  };
  const cloudFault = Object.values(CALL_FAULTS).reduce((sum, kind) => sum + hits(kind), 0);
  // Every kind is in the list that it is made from.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const byKind = Object.fromEntries(BLOW_KINDS.map((kind) => [kind, countOf(kind)])) as Record<
    BlowKind,
    number
  >;
  return { ...byKind, cloudFault };
}

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired', 'lost']);

function countLeases(
  { requested, acks }: LoadResult,
  leases: ReadonlyMap<string, Lease>,
): ChaosReport['leases'] {
  const acknowledged = [...new Set(acks.map((ack) => ack.lease))];
  const states = acknowledged.map((id) => leases.get(id)?.state ?? 'missing');
  const count = (state: string): number => states.filter((each) => each === state).length;
  return {
    ...{ requested, acknowledged: acknowledged.length },
    ...{ completed: count('completed'), failed: count('failed'), cancelled: count('cancelled') },
    ...{ expired: count('expired'), lost: count('lost') },
    stuck: states.filter((state) => !ENDS.has(state)).length,
  };
}

/** What a person needs to find out why. */
async function showFailures(
  run: ChaosRun,
  { fleet, result }: ChaosResult,
  { verdict, recoveries }: Pick<Findings, 'verdict' | 'recoveries'>,
): Promise<void> {
  const slowest = recoveries.toSorted((a, b) => b.seconds - a.seconds).slice(0, SHOWN);
  const lines = [
    ...verdict.violations
      .slice(0, SHOWN)
      .map((each) => `! ${each.invariant} ${each.subject}: ${each.message}`),
    ...result.complaints.slice(0, SHOWN).map((complaint) => `! ${complaint}`),
    ...slowest.map(
      ({ claim, lostAt, seconds }) =>
        `  ${claim.kind} ${claim.id} in ${claim.state} went on ${seconds} s after ${new Date(lostAt).toISOString()}`,
    ),
  ];
  for (const line of lines) run.say(line);
  const kept = join(fleet.checkoutDir, 'chaos-logs');
  await rm(kept, { recursive: true, force: true });
  await mkdir(kept, { recursive: true });
  const logs = (await readdir(fleet.dir)).filter((name) => /\.(log|out|jsonl)$/.test(name));
  for (const name of logs) await cp(join(fleet.dir, name), join(kept, name));
  run.say(`the logs of all processes are kept in ${kept}, the history beside them`);
}

function lengthOf(spans: readonly Span[]): number {
  return toTenths(merge(spans).reduce((sum, span) => sum + outsideMs(span, []), 0) / 1000);
}

function toTenths(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
