import { describe, expect, it } from 'vitest';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

describe('I3: no lease under an intent', () => {
  it.each(['recycle', 'park', 'quarantine', 'retire'])(
    'catches a lease that begins under an open %s',
    (intentKind) => {
      const where = {
        type: 'machine',
        machine: 'reused',
        from: 'ready',
        to: 'leased',
        lease: 'second',
      } as const;
      const intent = 'recycle-second';
      const broken = breakHistory().change(where, { intent, intentKind });
      expect(expectViolation(broken, 'I3', ['I1'])[0]?.message).toContain(
        `open ${intentKind} recycle-second`,
      );
    },
  );

  it('names only I3 where the intent is otherwise lawful', () => {
    const where = {
      type: 'machine',
      machine: 'reused',
      from: 'ready',
      to: 'leased',
      lease: 'second',
    } as const;
    expect(
      firedBy(breakHistory().change(where, { intent: 'recycle-second', intentKind: 'recycle' })),
    ).toEqual(['I3']);
  });

  it('catches a match that closes the intent in its own write', () => {
    const where = { type: 'machine', machine: 'reused', from: 'booting', to: 'ready', time: 49_500 } as const;
    const broken = breakHistory().change(where, { intent: 'recycle-first', intentKind: 'recycle' });
    expect(firedBy(broken)).toEqual(['I1', 'I3']);
  });

  it('catches a lease that becomes active on a retiring machine whose row never says leased', () => {
    const lease = { lease: 'stray', machine: 'stuck', at: EPOCH + 28_300, committedAt: EPOCH + 28_300.25 };
    const broken = breakHistory()
      .repeat(
        { type: 'lease', lease: 'first', to: 'pending' },
        { lease: 'stray', deadlineAt: EPOCH + 29_000 },
      )
      .repeat({ type: 'lease', lease: 'first', to: 'active' }, { ...lease, deadlineAt: EPOCH + 900_000 });
    expect(expectViolation(broken, 'I3', ['I2'])[0]?.subject).toBe('stuck');
  });
});
