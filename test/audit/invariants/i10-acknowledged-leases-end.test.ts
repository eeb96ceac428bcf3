import { describe, expect, it } from 'vitest';
import type { EndRecord } from '../../../src/audit/history.ts';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy, type BrokenHistory } from '../broken-history.ts';

function changeLeaseAtEnd(lease: string, changes: Partial<EndRecord['leases'][number]>): BrokenHistory {
  const broken = breakHistory();
  for (const record of broken.records) {
    if (record.type !== 'end') continue;
    record.leases = record.leases.map((each) => (each.lease === lease ? { ...each, ...changes } : each));
  }
  return broken;
}

describe('I10: acknowledged leases end', () => {
  it('catches an acknowledged lease that nobody has any more', () => {
    const broken = breakHistory()
      .remove({ type: 'lease', lease: 'hopeless' })
      .change({ type: 'end' }, { leases: changeLeaseAtEnd('hopeless', {}).records.flatMap(withoutHopeless) });
    const messages = expectViolation(broken, 'I10').map(({ message }) => message);
    expect(messages).toContain('acknowledged lease hopeless is not on record');
    expect(messages).toContain('acknowledged lease hopeless is missing after quiet');
  });

  it.each(['pending', 'ending', 'somewhere'])('catches a lease that is %s after quiet', (state) => {
    expect(firedBy(changeLeaseAtEnd('hopeless', { state }))).toEqual(['I10']);
  });

  it('catches a final state that its client cannot read', () => {
    const found = expectViolation(changeLeaseAtEnd('first', { readable: false }), 'I10');
    expect(found[0]?.message).toContain('its client cannot read it');
  });

  it('catches a client that reads another state than the row has', () => {
    expect(firedBy(changeLeaseAtEnd('first', { state: 'failed' }))).toEqual(['I10']);
  });

  it('catches an acknowledgement that comes before its state has committed', () => {
    expect(firedBy(breakHistory().move({ type: 'ack', lease: 'first', state: 'active' }, 1999))).toEqual([
      'I10',
    ]);
  });

  it('allows an acknowledgement in the millisecond of the commit', () => {
    const broken = breakHistory().move({ type: 'ack', lease: 'first', state: 'active' }, 2000);
    expect(firedBy(broken)).toEqual([]);
  });

  it('asks of a lease that was acknowledged after the end only that it is on record', () => {
    const at = EPOCH + 900_001;
    const broken = breakHistory()
      .repeat({ type: 'lease', lease: 'hopeless', to: 'pending' }, { lease: 'late', at, committedAt: at })
      .change({ type: 'lease', lease: 'late' }, { deadlineAt: at + 1000 })
      .repeat({ type: 'ack', lease: 'hopeless' }, { lease: 'late', at });
    expect(firedBy(broken)).toEqual([]);
  });

  it('catches a final state that does not stay', () => {
    const broken = breakHistory().repeat(
      { type: 'lease', lease: 'hopeless', to: 'failed' },
      { from: 'failed', to: 'cancelled' },
    );
    expect(firedBy(broken)).toEqual(['I10']);
  });

  it('catches an ending lease without an outcome', () => {
    expect(
      firedBy(breakHistory().change({ type: 'lease', to: 'ending', lease: 'first' }, { outcome: null })),
    ).toEqual(['I10']);
  });
});

function withoutHopeless(record: ReturnType<typeof breakHistory>['records'][number]): EndRecord['leases'] {
  return record.type === 'end' ? record.leases.filter(({ lease }) => lease !== 'hopeless') : [];
}
