import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/audit/audit.ts';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy, type BrokenHistory } from '../broken-history.ts';

/** The neighbour is deleted at 29,500 ms. */
function withLateNeighbour(): BrokenHistory {
  const where = { type: 'machine', machine: 'neighbour', to: 'deleting' } as const;
  return breakHistory().change(where, { deadlineAt: EPOCH + 29_499 });
}

describe('I12: a refused deletion holds up none', () => {
  it('catches a neighbour that is deleted after its deadline', () => {
    expect(expectViolation(withLateNeighbour(), 'I12')[0]).toMatchObject({
      subject: 'neighbour',
      message: 'machine neighbour was not deleted by its deadline while stuck could not be deleted',
    });
  });

  it('catches a neighbour that is never deleted', () => {
    const broken = breakHistory().remove({ type: 'machine', machine: 'neighbour', to: 'deleted' });
    expect(firedBy(broken)).toEqual(['I5', 'I7', 'I12']);
  });

  it('blames no machine for a neighbour that was refused by name, alone', () => {
    const broken = withLateNeighbour().repeat(
      { type: 'call', requestId: 'refused-alone' },
      { requestId: 'refused-too', instances: ['i-neighbour'] },
    );
    expect(firedBy(broken)).toEqual([]);
  });

  it('blames no machine whose deletion was not yet refused at that time', () => {
    const broken = withLateNeighbour()
      .remove({ type: 'call', requestId: 'refused-together' })
      .remove({ type: 'call', requestId: 'refused-alone' });
    expect(firedBy(broken)).toEqual([]);
  });

  it('leaves out a neighbour whose deadline lies beyond the history', () => {
    const where = { type: 'machine', machine: 'neighbour', to: 'deleting' } as const;
    const broken = breakHistory()
      .remove({ type: 'machine', machine: 'neighbour', to: 'deleted' })
      .change(where, { deadlineAt: EPOCH + 900_001 });
    expect(firedBy(broken)).toEqual(['I7']);
  });

  it('takes an accepted deletion that fails later for a refusal', () => {
    const broken = withLateNeighbour().change(
      { type: 'call', fault: 'refused' },
      { status: 202, code: null, fault: 'operation-failed' },
    );
    expect(firedBy(broken)).toEqual(['I12']);
  });

  it.each([
    { status: 429, code: null, fault: null },
    { status: 503, code: 'RequestLimitExceeded', fault: null },
    { status: 503, code: null, fault: 'throttled' },
    { status: 0, code: null, fault: 'lost-reply' },
  ])('does not take %o for a refusal', (throttled) => {
    const broken = withLateNeighbour().change({ type: 'call', fault: 'refused' }, throttled);
    expect(firedBy(broken)).toEqual([]);
    expect(audit(broken.records).checked.I12).toBe(0);
  });

  it('looks only at the same placement', () => {
    const broken = withLateNeighbour().change(
      { type: 'machine', machine: 'stuck' },
      { placement: 'eu-west-1b' },
    );
    expect(firedBy(broken)).toEqual([]);
  });
});
