import { describe, expect, it } from 'vitest';
import { EPOCH, ROUND_MS } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

const boot = { type: 'machine', machine: 'silent', to: 'booting', time: 210 } as const;
const RECOVERED_AT = EPOCH + 320_210;

describe('I5: no deadline is forgotten', () => {
  it('catches a machine that is recovered more than a round after its deadline', () => {
    const broken = breakHistory().change(boot, { deadlineAt: RECOVERED_AT - ROUND_MS });
    expect(expectViolation(broken, 'I5')[0]).toMatchObject({ subject: 'silent' });
  });

  it('grants the whole round', () => {
    expect(firedBy(breakHistory().change(boot, { deadlineAt: RECOVERED_AT - ROUND_MS + 1 }))).toEqual([]);
  });

  it('counts a deadline that had passed before it was written from the write', () => {
    const late = { deadlineAt: EPOCH - 10 * ROUND_MS };
    const broken = breakHistory().change({ type: 'machine', machine: 'silent', to: 'provisioning' }, late);
    expect(firedBy(broken)).toEqual([]);
  });

  it('looks no further than the history does', () => {
    const broken = breakHistory().change(
      { type: 'machine', machine: 'parked', time: 200_000 },
      { deadlineAt: EPOCH + 900_000 - ROUND_MS },
    );
    expect(firedBy(broken)).toEqual([]);
  });

  it('catches a lease that stays pending past its wait time', () => {
    const broken = breakHistory().remove({ type: 'lease', lease: 'hopeless', to: 'failed' });
    expect(expectViolation(broken, 'I5', ['I10'])[0]?.subject).toBe('hopeless');
  });

  it('catches a state without a deadline', () => {
    const broken = breakHistory().change(
      { type: 'machine', machine: 'kept', to: 'stopped' },
      { deadlineAt: null },
    );
    expect(expectViolation(broken, 'I5')[0]?.message).toBe('machine kept is stopped without a deadline');
  });

  it('is not put off by a write that leaves the deadline where it was', () => {
    const passed = { deadlineAt: EPOCH + 100_000 };
    const broken = breakHistory()
      .change({ type: 'machine', machine: 'parked', to: 'leased', time: 60_000 }, passed)
      .change({ type: 'machine', machine: 'parked', to: 'leased', time: 200_000 }, passed);
    expect(firedBy(broken)).toEqual(['I5']);
  });
});
