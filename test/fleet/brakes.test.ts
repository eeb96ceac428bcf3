import { describe, expect, test } from 'vitest';
import {
  confirmHalt,
  judgeSweep,
  type SweepCounts,
  type SweepFinding,
  type SweepRecord,
} from '../../src/fleet/brakes.ts';

const MINUTE = 60_000;
const at = (minutes: number): Date => new Date(Date.UTC(2026, 0, 1) + minutes * MINUTE);
const counts = (change: Partial<SweepCounts> = {}): SweepCounts => ({
  ...{ machines: 100, condemns: 0, leftOvers: 0, ends: 0, vanished: 0 },
  ...change,
});
const SWEPT: SweepRecord = { listedAt: at(0), halt: null, confirmed: null };

function judge(found: SweepCounts, change: Partial<SweepFinding> = {}) {
  const [listedAt, now] = [at(1), at(1)];
  return judgeSweep({ counts: found, last: SWEPT, listedAt, now, staleAfterMs: 10 * MINUTE, ...change });
}

/** The record after a halt over these, confirmed for `count`. */
function confirmed(found: SweepCounts, count: number): SweepRecord | undefined {
  return confirmHalt(judge(found).record, { count, by: 'ada', now: at(1) });
}

describe('a sweep', () => {
  test.each([
    ['ends nothing', counts(), 'go'],
    ['ends a fifth of its pool', counts({ ends: 20, vanished: 20 }), 'go'],
    ['ends more than a fifth', counts({ ends: 21, vanished: 21 }), 'halt'],
    ['condemns more than a fifth', counts({ condemns: 21 }), 'halt'],
    [
      'condemns instances and left-overs of more than a fifth',
      counts({ condemns: 11, leftOvers: 10 }),
      'halt',
    ],
    ['condemns and ends more than a fifth together', counts({ condemns: 11, ends: 10 }), 'halt'],
    ['misses more than a fifth of what was there before', counts({ vanished: 21 }), 'halt'],
    ['ends five of a pool of five', counts({ machines: 5, ends: 5 }), 'go'],
    ['ends six of a pool of six', counts({ machines: 6, ends: 6 }), 'halt'],
    ['condemns six of a pool that has no machines', counts({ machines: 0, condemns: 6 }), 'halt'],
  ])('that %s', (_what, found, verdict) => {
    expect(judge(found).verdict).toBe(verdict);
  });

  test('only reports where the database knows of no sweep before, and not once more', () => {
    const first = judge(counts({ condemns: 1 }), { last: undefined });
    expect(first).toMatchObject({ verdict: 'report', event: 'sweep-reported', record: { listedAt: at(1) } });
    expect(judge(counts({ condemns: 1 }), { last: first.record, listedAt: at(2) }).verdict).toBe('go');
  });

  test('only reports where the last one that the database knows of is long ago', () => {
    expect(judge(counts(), { listedAt: at(10) }).verdict).toBe('go');
    expect(judge(counts(), { listedAt: new Date(at(10).getTime() + 1) }).verdict).toBe('report');
  });

  test('that is older than the last one does not make that one older', () => {
    expect(judge(counts(), { listedAt: at(-1) }).record.listedAt).toEqual(at(0));
  });
});

describe('a halt', () => {
  test('says what it has found, and since when', () => {
    const halted = judge(counts({ condemns: 30 }));
    expect(halted.event).toBe('sweep-halted');
    expect(halted.record.halt).toMatchObject({ since: at(1), counts: { condemns: 30 } });
    const again = judge(counts({ condemns: 30 }), { last: halted.record, now: at(2) });
    expect(again).toMatchObject({ verdict: 'halt', event: null, record: { halt: { since: at(1) } } });
    const worse = judge(counts({ condemns: 31 }), { last: halted.record, now: at(2) });
    expect(worse).toMatchObject({ verdict: 'halt', event: 'sweep-halted' });
  });

  test('lasts however long it is found again', () => {
    let { record } = judge(counts({ vanished: 30 }));
    for (let minute = 2; minute < 1000; minute += 1) {
      const given = { last: record, listedAt: at(minute), now: at(minute) };
      const judged = judge(counts({ ends: 30, vanished: 30 }), given);
      expect(judged.verdict).toBe('halt');
      record = judged.record;
    }
  });

  test('is over once a listing is as it should be, and with it what was confirmed', () => {
    const last = confirmed(counts({ vanished: 30 }), 30);
    const judged = judge(counts(), { last });
    expect(judged).toMatchObject({ verdict: 'go', event: 'sweep-resumed' });
    expect(judged.record).toMatchObject({ halt: null, confirmed: null });
  });
});

describe('a confirmed halt', () => {
  const found = counts({ condemns: 10, ends: 20, vanished: 25 });

  test('is confirmed by whoever names at least what it has found', () => {
    expect(confirmed(found, 34)).toBeUndefined();
    expect(confirmed(found, 35)).toMatchObject({ confirmed: { count: 35, until: at(61), by: 'ada' } });
    expect(confirmed(counts(), 35)).toBeUndefined();
    expect(confirmHalt(undefined, { count: 35, by: 'ada', now: at(1) })).toBeUndefined();
  });

  test('lets sweeps end as many as were confirmed, and no more', () => {
    const last = confirmed(found, 35);
    expect(judge({ ...found, condemns: 11 }, { last }).verdict).toBe('halt');
    const went = judge(found, { last });
    expect(went).toMatchObject({ verdict: 'go', record: { halt: null, confirmed: { count: 5 } } });
    expect(judge(found, { last: went.record }).verdict).toBe('halt');
  });

  test('lets machines be ended that were only missed when it was confirmed', () => {
    const missed = judge(counts({ vanished: 30 }), { last: confirmed(counts({ vanished: 30 }), 30) });
    expect(missed).toMatchObject({ verdict: 'go', record: { confirmed: { count: 30 } } });
    expect(judge(counts({ ends: 30, vanished: 30 }), { last: missed.record }).verdict).toBe('go');
  });

  test('halts again after an hour', () => {
    const last = confirmed(found, 35);
    expect(judge(found, { last, now: at(61), staleAfterMs: 100 * MINUTE }).verdict).toBe('go');
    const late = { last, now: new Date(at(61).getTime() + 1), staleAfterMs: 100 * MINUTE };
    expect(judge(found, late).verdict).toBe('halt');
  });
});
