import { describe, expect, it } from 'vitest';
import { audit, countViolations } from '../../src/audit/audit.ts';
import type { HistoryRecord } from '../../src/audit/history.ts';
import { INVARIANTS } from '../../src/audit/verdict.ts';
import { breakHistory } from './broken-history.ts';
import { soundHistory } from './sound-history.ts';

/** A small seeded generator: the same shuffles on every run. */
function createDice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function shuffled(records: readonly HistoryRecord[], seed: number): HistoryRecord[] {
  const dice = createDice(seed);
  return records
    .map((record) => ({ record, key: dice() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ record }) => record);
}

/** Breaks something for every invariant at once. */
function thoroughlyBroken(): HistoryRecord[] {
  return breakHistory()
    .move({ type: 'call', requestId: 'delete-reused' }, 60_000)
    .move({ type: 'lease', lease: 'first', to: 'completed' }, 11_500)
    .change(
      { type: 'machine', machine: 'reused', from: 'ready', to: 'leased', lease: 'second' },
      { intentKind: 'park', intent: 'p' },
    )
    .remove({ type: 'effect', requestId: 'reset-for-first' })
    .change({ type: 'machine', machine: 'kept', to: 'stopped' }, { deadlineAt: null })
    .change({ type: 'owed', live: false }, { rung: false })
    .change({ type: 'settings' }, { limits: { sandbox: 5 } })
    .change({ type: 'stale-write' }, { changedRows: 2 })
    .change({ type: 'call', requestId: 'run' }, { token: null, unaddressed: true })
    .change({ type: 'machine', machine: 'neighbour', to: 'deleting' }, { deadlineAt: 1 })
    .change({ type: 'end' }, { machines: [], leases: [] }).records;
}

describe('the audit', () => {
  it('finds nothing wrong with a sound history and has really held all twelve against it', () => {
    const report = audit(soundHistory());
    expect(report.violations).toEqual([]);
    expect(Object.keys(report.checked)).toEqual([...INVARIANTS]);
    expect(INVARIANTS.filter((id) => report.checked[id] === 0)).toEqual([]);
  });

  it('counts exactly what each invariant was held against', () => {
    const story = soundHistory();
    const deadlines = story.filter((record) => 'deadlineAt' in record && record.deadlineAt !== null);
    expect(audit(story).checked).toEqual({
      // delete calls on machines that were leased (a refused one among them), deletions, stops and resets
      I1: 4 + 3 + 5 + 2,
      I2: 12,
      I3: 6,
      I4: 2,
      // being parked or quarantined shares its commit, and so its deadline, with the release
      I5: deadlines.length - 2,
      I6: 2,
      // instance, disk, network card and address; the machine listed; the rows of machine and instance
      // and each instance ever launched, the surplus among them
      I7: 4 + 1 + 2 + 7,
      // the surplus; the wish for six machines and the surplus' coming
      I8: 1 + 2,
      // the stale write; entering leased, stopping, resetting and deleting
      I9: 1 + 18,
      I10: 7,
      // instances gone; machines deleted; launch, stops, resets and deletes
      I11: 6 + 5 + (1 + 5 + 2 + 9),
      I12: 1,
    });
  });

  it('says the same whatever the order of the records', () => {
    for (const records of [soundHistory(), thoroughlyBroken()]) {
      const report = audit(records);
      for (let seed = 1; seed <= 20; seed += 1) expect(audit(shuffled(records, seed))).toEqual(report);
    }
  });

  it('lists violations by invariant and counts them, zeros included', () => {
    const report = audit(thoroughlyBroken());
    const counts = countViolations(report);
    expect(INVARIANTS.filter((id) => counts[id] === 0)).toEqual([]);
    expect(Object.values(counts).reduce((sum, each) => sum + each, 0)).toBe(report.violations.length);
    const order = report.violations.map(({ invariant }) => INVARIANTS.indexOf(invariant));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(countViolations(audit(soundHistory()))).toEqual(
      Object.fromEntries(INVARIANTS.map((id) => [id, 0])),
    );
  });

  it('leaves its input alone', () => {
    const records = Object.freeze(soundHistory().map((record) => Object.freeze(record)));
    expect(audit(records).violations).toEqual([]);
  });

  it('refuses a history without which no verdict would be honest', () => {
    const settings = { type: 'settings', reconcileRoundMs: 1, limits: {} } as const;
    const others = soundHistory().filter((record) => record.type !== 'settings');
    expect(() => audit(others)).toThrow('no settings record');
    expect(() => audit([settings, ...others])).toThrow('no limit for pool sandbox');
  });

  it('judges 200,000 records in seconds, also where they all belong to one placement', () => {
    const records = repeatStory(200_000);
    const startedAt = performance.now();
    const report = audit(records);
    expect(report.violations).toEqual([]);
    expect(report.checked.I12).toBeGreaterThan(500);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });
});

/** The sound story over and over, each time with other names and a little later, under one common end. */
function repeatStory(least: number): HistoryRecord[] {
  const story = soundHistory();
  const ends = story.filter((record) => record.type === 'end');
  const body = story.filter((record) => record.type !== 'end' && record.type !== 'settings');
  const copies = Math.ceil(least / body.length);
  const records: HistoryRecord[] = [
    { type: 'settings', reconcileRoundMs: 30_000, limits: { sandbox: copies * 7 } },
  ];
  for (let copy = 0; copy < copies; copy += 1) records.push(...body.map((record) => renamed(record, copy)));
  const names = Array.from({ length: copies }, (_, copy) => copy);
  for (const { at } of ends) {
    const parked = names.map((copy) => `i-parked.${copy}`);
    records.push({
      type: 'end',
      at: at + copies,
      cloud: { instances: parked, disks: [], networkCards: [], addresses: [] },
      machines: names.map((copy) => ({
        machine: `parked.${copy}`,
        instance: `i-parked.${copy}`,
        state: 'leased',
      })),
      leases: ends.flatMap((end) =>
        end.leases.flatMap((each) => names.map((copy) => ({ ...each, lease: `${each.lease}.${copy}` }))),
      ),
    });
  }
  return records;
}

const NAMES = ['machine', 'lease', 'instance', 'batch', 'requestId'];
const TIMES = ['at', 'committedAt', 'deadlineAt', 'since'];

function renamed(record: HistoryRecord, copy: number): HistoryRecord {
  const clone: Record<string, unknown> = { ...record };
  for (const name of NAMES) if (typeof clone[name] === 'string') clone[name] = `${clone[name]}.${copy}`;
  for (const time of TIMES) if (typeof clone[time] === 'number') clone[time] += copy;
  if (Array.isArray(clone['instances']))
    clone['instances'] = clone['instances'].map((each) => `${each}.${copy}`);
  return clone as unknown as HistoryRecord;
}
