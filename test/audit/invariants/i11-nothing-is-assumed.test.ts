import { describe, expect, it } from 'vitest';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

const listing = { type: 'call', requestId: 'list-after-kept' } as const;

describe('I11: nothing is assumed', () => {
  it('catches an instance that is taken for gone while it exists', () => {
    const broken = breakHistory().move({ type: 'effect', effect: 'deleted', instance: 'i-kept' }, 90_260);
    expect(expectViolation(broken, 'I11')[0]?.message).toContain('taken for gone while it existed');
  });

  it('catches "gone" that was inferred from an error', () => {
    const broken = breakHistory().change(listing, { status: 400, code: 'InvalidInstanceID.NotFound' });
    expect(expectViolation(broken, 'I11')[0]?.message).toContain('without an answer that said so');
  });

  it('catches "gone" that was read before it was true', () => {
    const broken = breakHistory()
      .move(listing, 90_210)
      .change(listing, { answeredAt: EPOCH + 90_215 });
    expect(firedBy(broken)).toEqual(['I11']);
  });

  it('accepts an answer that was made after the instance went, to a call that came before', () => {
    expect(
      firedBy(
        breakHistory()
          .move(listing, 90_210)
          .change(listing, { answeredAt: EPOCH + 90_225 }),
      ),
    ).toEqual([]);
  });

  it('allows everything within one millisecond', () => {
    const broken = breakHistory()
      .move({ type: 'effect', effect: 'deleted', instance: 'i-kept' }, 90_300)
      .move(listing, 90_300)
      .change(listing, { answeredAt: EPOCH + 90_300 })
      .move({ type: 'instance', instance: 'i-kept', gone: 'listed-gone' }, 90_300);
    expect(firedBy(broken)).toEqual([]);
  });

  it('catches an answer that came after "gone" was written', () => {
    expect(firedBy(breakHistory().move(listing, 90_251))).toEqual(['I11']);
  });

  it('does not take a read of other instances for an answer', () => {
    expect(firedBy(breakHistory().change(listing, { instances: ['i-parked'] }))).toEqual(['I11']);
  });

  it('catches a machine that is recorded as deleted while its instance exists', () => {
    const broken = breakHistory()
      .move({ type: 'effect', effect: 'deleted', instance: 'i-kept' }, 90_310)
      .move(listing, 90_320)
      .move({ type: 'instance', instance: 'i-kept', gone: 'listed-gone' }, 90_330);
    expect(expectViolation(broken, 'I11').map(({ subject }) => subject)).toEqual(['kept']);
  });

  it('catches a call that means "all" by omission, even a refused one', () => {
    const broken = breakHistory().change(
      { type: 'call', requestId: 'refused-again' },
      { instances: [], unaddressed: true },
    );
    expect(firedBy(broken)).toEqual(['I11']);
  });

  it('catches a launch under no token', () => {
    expect(firedBy(breakHistory().change({ type: 'call', requestId: 'run' }, { token: null }))).toEqual([
      'I11',
    ]);
  });
});
