import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/audit/audit.ts';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy, type BrokenHistory } from '../broken-history.ts';

/** The claim that is told anew raises tokens that other invariants look at; only I6 is asked here. */
function violationsOfI6({ records }: BrokenHistory): unknown[] {
  return audit(records).violations.filter(({ invariant }) => invariant === 'I6');
}

const early = { type: 'owed', time: 12_000 } as const;
const late = { type: 'owed', time: 38_000 } as const;

describe('I6: owed steps are rung', () => {
  it('catches a look that finds no job and does not ring', () => {
    expect(expectViolation(breakHistory().change(late, { rung: false }), 'I6')[0]?.subject).toBe('reused');
  });

  it('catches a first look that comes more than a round after the step became owed', () => {
    const broken = breakHistory().remove(early).move(late, 41_001);
    expect(expectViolation(broken, 'I6')[0]?.message).toContain('30001 ms');
  });

  it('catches a step that stays without a job from its first look to its last', () => {
    const broken = breakHistory().change(early, { live: false }).move(late, 45_000);
    expect(firedBy(broken)).toEqual(['I6']);
  });

  it('catches a job that is found only long after a look that did not ring', () => {
    const broken = breakHistory()
      .change(early, { live: false })
      .change(late, { live: true, rung: false })
      .move(late, 41_001);
    expect(firedBy(broken)).toEqual(['I6']);
  });

  it('grants the whole round', () => {
    expect(firedBy(breakHistory().remove(early).move(late, 41_000))).toEqual([]);
  });

  it('takes a write for the step being done by its commit, however long before it was asked for', () => {
    const where = { type: 'machine', machine: 'reused', to: 'released', time: 11_000 } as const;
    const since = EPOCH + 15_000;
    const broken = (at: number): BrokenHistory =>
      breakHistory()
        .change(late, { rung: false, since })
        .change(early, { live: false, since })
        .repeat(where, { token: 4, at, committedAt: EPOCH + 20_000, from: 'released' });
    expect(violationsOfI6(broken(EPOCH + 12_000))).toEqual(violationsOfI6(broken(EPOCH + 19_000)));
    expect(violationsOfI6(broken(EPOCH + 12_000))).toEqual([]);
  });

  it.each([{ token: 4 }, { batch: 'resets' }])('takes %o for the step being done', (claim) => {
    const where = { type: 'machine', machine: 'reused', to: 'released', time: 11_000 } as const;
    const times = { at: EPOCH + 20_000, committedAt: EPOCH + 20_000 };
    const broken = breakHistory()
      .change(late, { rung: false })
      .change(early, { live: false })
      .repeat(where, { ...claim, ...times, from: 'released', deadlineAt: EPOCH + 100_000 })
      .change({ type: 'machine', machine: 'reused', to: 'resetting' }, { token: 5 })
      .change({ type: 'machine', machine: 'reused', to: 'booting', time: 48_700 }, { token: 5 })
      .change({ type: 'machine', machine: 'reused', to: 'ready', time: 49_500 }, { token: 5 })
      .change({ type: 'machine', machine: 'reused', lease: 'second' }, { token: 6 });
    expect(violationsOfI6(broken)).toEqual([]);
  });

  it('lets the machine do the step before the round is over', () => {
    const broken = breakHistory().move(early, 20_000).change(late, { rung: false });
    expect(firedBy(broken)).toEqual([]);
  });

  it('does not hold a look against a machine that had done the step before it', () => {
    const broken = breakHistory().repeat(late, { at: EPOCH + 80_000, rung: false });
    expect(firedBy(broken)).toEqual([]);
  });
});
