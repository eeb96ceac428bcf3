import { describe, expect, it } from 'vitest';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

const reset = { type: 'effect', requestId: 'reset-for-first' } as const;

describe('I4: reset and probed between leases', () => {
  it('catches a machine that is leased again although no reset took effect', () => {
    expect(expectViolation(breakHistory().remove(reset), 'I4')[0]?.subject).toBe('reused');
  });

  it('catches a reset that took effect only after the machine was said to have booted from it', () => {
    expect(firedBy(breakHistory().move(reset, 48_701))).toEqual(['I4']);
  });

  it('catches a reset that took effect before the release', () => {
    expect(firedBy(breakHistory().move(reset, 10_900))).toEqual(['I1', 'I4']);
  });

  it('catches a machine that is ready without being clean', () => {
    const where = { type: 'machine', machine: 'reused', to: 'ready', time: 49_500 } as const;
    expect(expectViolation(breakHistory().change(where, { clean: false }), 'I4')[0]?.message).toContain(
      'clean',
    );
  });

  it('catches a machine that was soiled after its probe', () => {
    const where = { type: 'machine', machine: 'reused', to: 'ready', time: 49_500 } as const;
    const later = { from: 'ready', clean: false, at: EPOCH + 50_000, committedAt: EPOCH + 50_000 };
    expect(firedBy(breakHistory().repeat(where, later))).toEqual(['I4']);
  });

  it('lets the reset and the boot share a millisecond', () => {
    expect(firedBy(breakHistory().move(reset, 48_700))).toEqual([]);
  });

  it('catches a parked machine that is leased again without a probe', () => {
    const broken = breakHistory()
      .remove({ type: 'machine', machine: 'parked', to: 'ready', time: 51_600 })
      .change({ type: 'machine', machine: 'parked', lease: 'fourth', from: 'ready' }, { from: 'booting' });
    expect(expectViolation(broken, 'I4', ['I1', 'I3'])[0]?.message).toContain('without a boot and a probe');
  });
});
