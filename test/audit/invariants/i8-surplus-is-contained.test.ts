import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/audit/audit.ts';
import { EPOCH, ROUND_MS } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

const condemned = { type: 'instance', instance: 'i-surplus', time: 220 } as const;

describe('I8: surplus is contained', () => {
  it('catches surplus that is condemned only after its batch has ended', () => {
    expect(expectViolation(breakHistory().move(condemned, 231), 'I8')[0]?.subject).toBe('i-surplus');
  });

  it('catches surplus that is never condemned', () => {
    const broken = breakHistory()
      .remove(condemned)
      .remove({ type: 'instance', instance: 'i-surplus', gone: 'listed-gone' });
    const messages = expectViolation(broken, 'I8', ['I7']).map(({ message }) => message);
    expect(messages).toContain('surplus instance i-surplus was not condemned by the end of its batch launch');
  });

  it('lets surplus be condemned in the commit that ends its batch', () => {
    expect(firedBy(breakHistory().move(condemned, 230))).toEqual([]);
  });

  it('grants a round to surplus that is first seen after its batch has ended', () => {
    const broken = breakHistory()
      .move({ type: 'instance', instance: 'i-surplus', time: 200 }, 235)
      .move(condemned, 240);
    expect(firedBy(broken)).toEqual([]);
  });

  it('catches surplus without a batch that is not condemned within a round', () => {
    const strange = { batch: null, machine: null, condemned: false };
    const broken = breakHistory()
      .change({ type: 'settings' }, { limits: { sandbox: 8 } })
      .change({ type: 'instance', instance: 'i-surplus' }, strange)
      .move({ type: 'instance', instance: 'i-surplus', gone: 'listed-gone' }, 200 + ROUND_MS + 1);
    expect(firedBy(broken)).toEqual(['I8']);
  });

  it('catches surplus that is leased', () => {
    const broken = breakHistory().change({ type: 'instance', instance: 'i-reused' }, { machine: null });
    const messages = expectViolation(broken, 'I8').map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('surplus instance i-reused was leased to first'));
  });

  it('catches a lease on a condemned instance', () => {
    const broken = breakHistory().change(
      { type: 'instance', instance: 'i-kept', time: 210 },
      { condemned: true },
    );
    expect(firedBy(broken)).toEqual(['I8']);
  });

  it('catches a condemned instance that is given to a machine', () => {
    const broken = breakHistory().change(
      { type: 'instance', instance: 'i-surplus', gone: 'listed-gone' },
      { machine: 'silent' },
    );
    expect(firedBy(broken)).toEqual(['I8']);
  });

  it('catches surplus that is still there after quiet', () => {
    const broken = breakHistory().remove({ type: 'instance', instance: 'i-surplus', gone: 'listed-gone' });
    const messages = expectViolation(broken, 'I8', ['I7']).map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('still on record'));
  });

  it('catches a pool over its limit by surplus', () => {
    const broken = breakHistory().change({ type: 'settings' }, { limits: { sandbox: 6 } });
    expect(expectViolation(broken, 'I8')[0]?.message).toBe(
      'pool sandbox grew to 7 by surplus of a launch, its limit is 6',
    );
  });

  it('catches a pool over its limit by a new machine', () => {
    const broken = breakHistory().repeat(
      { type: 'machine', machine: 'stuck', to: 'requested' },
      { machine: 'late', at: EPOCH + 250, committedAt: EPOCH + 250, deadlineAt: EPOCH + 880_000 },
    );
    const messages = expectViolation(broken, 'I8', ['I7']).map(({ message }) => message);
    expect(messages).toEqual(['pool sandbox grew to 8 by a new machine, its limit is 7']);
  });

  it('does not count instances twice that their members still wait for', () => {
    expect(audit(breakHistory().records).checked.I8).toBe(3);
  });
});
