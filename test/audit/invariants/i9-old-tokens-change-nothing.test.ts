import { describe, expect, it } from 'vitest';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

describe('I9: old tokens change nothing', () => {
  it('catches a stale write that changed a row', () => {
    const found = expectViolation(breakHistory().change({ type: 'stale-write' }, { changedRows: 1 }), 'I9');
    expect(found[0]?.message).toContain('under the old token 3 (now 5) changed 1 rows');
  });

  it('catches a note of a stale write whose token is not old', () => {
    expect(firedBy(breakHistory().change({ type: 'stale-write' }, { token: 5 }))).toEqual(['I9']);
  });

  it('catches a token that goes down', () => {
    const where = { type: 'machine', machine: 'kept', to: 'quarantined', time: 16_000 } as const;
    expect(firedBy(breakHistory().change(where, { token: 1 }))).toEqual(['I9']);
  });

  it.each(['leased', 'stopping', 'deleting'])('catches a claim of %s that does not raise the token', (to) => {
    const before = { leased: 1, stopping: 2, deleting: 3 }[to] ?? 0;
    const broken = breakHistory().change({ type: 'machine', machine: 'neighbour', to }, { token: before });
    expect(expectViolation(broken, 'I9')[0]?.message).toContain(
      `${to} was claimed without raising the token`,
    );
  });

  it("catches a batch's token that goes down", () => {
    expect(firedBy(breakHistory().change({ type: 'batch', state: 'ended' }, { token: 1 }))).toEqual(['I9']);
  });
});
