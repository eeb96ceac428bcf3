import { expect, test } from 'vitest';
import type { BatchRecord, MachineRecord } from '../../src/audit/history.ts';
import type { Claim } from '../../src/cli/chaos/claims.ts';
import { createOutages, merge, outsideMs } from '../../src/cli/chaos/outages.ts';
import { measureRecoveries, quantiles } from '../../src/cli/chaos/recovery.ts';

const KILLED_AT = 100_000;

function batchRow(atMs: number, token: number, state: BatchRecord['state']): BatchRecord {
  const common = { seq: atMs, committedAt: atMs, at: atMs };
  return { type: 'batch', ...common, batch: 'b1', lane: 'lane', verb: 'delete', state, token };
}

function machineRow(atMs: number, change: Partial<MachineRecord>): MachineRecord {
  return {
    ...{ type: 'machine', seq: atMs, committedAt: atMs, at: atMs, machine: 'm1', pool: 'p', placement: 'z' },
    ...{ from: null, to: 'released', token: 4, intent: null, intentKind: null, lease: null, batch: null },
    ...{ instance: null, clean: false, deadlineAt: null, by: 'test' },
    ...change,
  };
}

const batchClaim: Claim = { kind: 'batch', id: 'b1', token: 2, state: 'closed' };
const machineClaim: Claim = { kind: 'machine', id: 'm1', token: 4, state: 'released' };

function secondsOf(claim: Claim, rows: (BatchRecord | MachineRecord)[]): number[] {
  const losses = [{ at: KILLED_AT, claims: [claim] }];
  return measureRecoveries({ losses, history: rows, outages: [] }).map(({ seconds }) => seconds);
}

test('a batch has recovered when it is claimed under a raised token', () => {
  const rows = [batchRow(99_000, 2, 'closed'), batchRow(101_000, 2, 'sent'), batchRow(110_500, 3, 'sent')];
  expect(secondsOf(batchClaim, rows)).toEqual([10.5]);
});

test('a batch that ends has recovered', () => {
  expect(secondsOf(batchClaim, [batchRow(104_000, 2, 'ended')])).toEqual([4]);
});

test.each([
  ['is claimed again', { token: 5 }],
  ['has gone on', { to: 'deleting' }],
  ['has joined a batch', { batch: 'b9' }],
])("a machine's step has recovered when it %s", (_how, change) => {
  const rows = [machineRow(101_000, { deadlineAt: 7 }), machineRow(103_000, change)];
  expect(secondsOf(machineClaim, rows)).toEqual([3]);
});

test('the time in which a server was away is not counted, and twice away is away once', () => {
  const outages = merge([
    { fromMs: 101_000, toMs: 105_000 },
    { fromMs: 103_000, toMs: 108_000 },
    { fromMs: 90_000, toMs: 100_500 },
  ]);
  const losses = [{ at: KILLED_AT, claims: [batchClaim] }];
  const [recovery] = measureRecoveries({ losses, history: [batchRow(112_000, 3, 'sent')], outages });
  expect(recovery).toMatchObject({ seconds: 4.5, isRecovered: true });
});

test('what never goes on is told as such, and lasts until the end of the history', () => {
  const losses = [{ at: KILLED_AT, claims: [batchClaim] }];
  const history = [batchRow(99_000, 2, 'closed'), machineRow(160_000, {})];
  expect(measureRecoveries({ losses, history, outages: [] })).toEqual([
    { claim: batchClaim, lostAt: KILLED_AT, seconds: 60, isRecovered: false },
  ]);
});

test('quantiles are values that were measured, by the nearest rank', () => {
  const values = Array.from({ length: 20 }, (_, index) => 20 - index);
  expect(quantiles(values)).toEqual({ p50: 10, p95: 19, max: 20 });
  expect(quantiles([7.126])).toEqual({ p50: 7.13, p95: 7.13, max: 7.13 });
  expect(quantiles([])).toEqual({ p50: 0, p95: 0, max: 0 });
});

test('an outage lasts until its server answers again, once', () => {
  let now = 1000;
  const outages = createOutages(() => now);
  const back = outages.begin('redis');
  now = 3000;
  expect(outages.spans().redis).toEqual([{ fromMs: 1000, toMs: 3000 }]);
  now = 4000;
  back();
  now = 9000;
  back();
  expect(outages.spans()).toEqual({ postgres: [], redis: [{ fromMs: 1000, toMs: 4000 }] });
  expect(outsideMs({ fromMs: 0, toMs: 5000 }, outages.spans().redis)).toBe(2000);
});
