import type { BatchRecord, HistoryRecord, MachineRecord } from '../../audit/history.ts';
import type { Claim } from './claims.ts';
import { outsideMs, type Span } from './outages.ts';

/** A worker's end, and what it had in hand then. */
export interface Loss {
  /** Milliseconds since the epoch. */
  at: number;
  claims: readonly Claim[];
}

export interface Recovery {
  claim: Claim;
  lostAt: number;
  /** Until somebody claimed it again or it was done, without the time in which a server was away. */
  seconds: number;
  /** False where the history ends first. */
  isRecovered: boolean;
}

/**
 * For all that killed workers had in hand: how long until the database shows that it went on. A batch goes on with
 * a raised token or its end; a machine's step with a raised token, another state, or a batch that it joined.
 * `outages` are merged.
 */
export function measureRecoveries(from: {
  losses: readonly Loss[];
  history: readonly HistoryRecord[];
  outages: readonly Span[];
}): Recovery[] {
  const rows = indexRows(from.history);
  const endsAt = from.history.reduce(
    (latest, record) => Math.max(latest, 'committedAt' in record ? record.committedAt : 0),
    0,
  );
  return from.losses.flatMap(({ at, claims }) =>
    claims.map((claim): Recovery => {
      const next = rows
        .get(`${claim.kind} ${claim.id}`)
        ?.find((record) => record.committedAt > at && goesOn(record, claim));
      const span = { fromMs: at, toMs: next?.committedAt ?? endsAt };
      const seconds = outsideMs(span, from.outages) / 1000;
      return { claim, lostAt: at, seconds, isRecovered: next !== undefined };
    }),
  );
}

type Row = BatchRecord | MachineRecord;

function indexRows(history: readonly HistoryRecord[]): Map<string, Row[]> {
  const rows = history.filter((record) => record.type === 'batch' || record.type === 'machine');
  const sorted = rows.toSorted((a, b) => a.seq - b.seq);
  return Map.groupBy(sorted, (row) =>
    row.type === 'batch' ? `batch ${row.batch}` : `machine ${row.machine}`,
  );
}

function goesOn(record: Row, claim: Claim): boolean {
  if (record.token > claim.token) return true;
  if (record.type === 'batch') return record.state === 'ended';
  return record.to !== claim.state || record.batch !== null;
}

export interface Quantiles {
  p50: number;
  p95: number;
  max: number;
}

/** By the nearest rank; zeros where there was nothing to measure. Rounded to hundredths. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return Math.round(value * 100) / 100;
  };
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
