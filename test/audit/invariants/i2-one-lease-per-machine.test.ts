import { describe, expect, it } from 'vitest';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

describe('I2: one lease per machine', () => {
  it('catches two leases that hold one machine at the same time', () => {
    const broken = breakHistory();
    for (const to of ['active', 'ending', 'completed']) {
      broken.change({ type: 'lease', lease: 'fifth', to }, { machine: 'reused' });
    }
    const messages = expectViolation(broken, 'I2').map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('on machine reused while lease'));
  });

  it('catches a lease that holds a second machine', () => {
    const broken = breakHistory().change(
      { type: 'lease', lease: 'first', to: 'ending' },
      { machine: 'parked' },
    );
    expect(expectViolation(broken, 'I2')[0]?.message).toContain('on reused and on parked');
  });

  it('catches a second machine that says it is leased to the same lease', () => {
    const broken = breakHistory().change(
      { type: 'machine', machine: 'kept', lease: 'sixth' },
      { lease: 'first' },
    );
    expect(expectViolation(broken, 'I2').map(({ subject }) => subject)).toContain('kept');
  });

  it('catches a lease that still holds when its machine is released', () => {
    const broken = breakHistory().move({ type: 'lease', lease: 'first', to: 'completed' }, 11_001);
    expect(expectViolation(broken, 'I2')[0]?.subject).toBe('first');
  });

  it('catches a lease that goes on when its machine has been released for good', () => {
    const broken = breakHistory().remove({ type: 'lease', lease: 'first', to: 'completed' });
    expect(firedBy(broken)).toEqual(['I2', 'I5', 'I10']);
  });

  it('catches an active lease without a machine', () => {
    expect(firedBy(breakHistory().change({ type: 'lease', lease: 'fourth' }, { machine: null }))).toEqual([
      'I2',
    ]);
  });
});
