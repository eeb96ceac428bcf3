import { describe, expect, it } from 'vitest';
import { EPOCH } from '../history-writer.ts';
import { breakHistory, expectViolation, firedBy } from '../broken-history.ts';

describe('I1: deletion follows release', () => {
  it('catches a delete call that reaches the cloud before the release has committed', () => {
    const broken = breakHistory().move({ type: 'call', requestId: 'delete-reused' }, 60_999);
    expect(expectViolation(broken, 'I1')[0]).toMatchObject({ subject: 'reused', at: EPOCH + 60_999 });
  });

  it('catches a refused delete call that comes before the release', () => {
    const broken = breakHistory().add({
      type: 'call',
      cloud: 'aws',
      at: EPOCH + 5000,
      requestId: 'stray',
      operation: 'TerminateInstances',
      verb: 'delete',
      instances: ['i-kept'],
      unaddressed: false,
      token: null,
      status: 503,
      code: 'RequestLimitExceeded',
      fault: 'throttled',
    });
    expect(expectViolation(broken, 'I1')).toHaveLength(1);
  });

  it('lets a delete call pass in the very millisecond of the release', () => {
    expect(firedBy(breakHistory().move({ type: 'call', requestId: 'delete-reused' }, 61_000))).toEqual([]);
  });

  it('catches a deletion that takes effect while the lease holds, whatever call caused it', () => {
    const where = { type: 'effect', effect: 'deleted', instance: 'i-reused' } as const;
    expect(firedBy(breakHistory().move(where, 60_500).change(where, { requestId: 'run' }))).toEqual(['I1']);
  });

  it('catches a deletion after a release of which only the machine half has committed', () => {
    const broken = breakHistory().move({ type: 'lease', lease: 'sixth', to: 'completed' }, 100_000);
    expect(firedBy(broken)).toEqual(['I1', 'I2']);
  });

  it.each(['stop-first', 'reset-for-first'])(
    'catches %s taking effect while the next lease holds',
    (call) => {
      const effect = call === 'stop-first' ? 'stopped' : 'reset';
      const broken = breakHistory().repeat(
        { type: 'effect', requestId: call },
        { at: EPOCH + 55_000, effect },
      );
      expect(expectViolation(broken, 'I1')[0]?.message).toContain('while lease second held it');
    },
  );

  it('catches a stop whose call was sent before its own lease was being stopped', () => {
    const broken = breakHistory().move({ type: 'call', requestId: 'stop-first' }, 10_099);
    expect(firedBy(broken)).toEqual(['I1']);
  });

  it('catches a stop that lands on a lease which nobody has ended yet', () => {
    const broken = breakHistory().repeat(
      { type: 'effect', requestId: 'stop-third' },
      { at: EPOCH + 500_000 },
    );
    const [found] = expectViolation(broken, 'I1');
    expect(found?.message).toBe('a stop took effect on machine parked while lease fourth held it');
    expect(found?.records.map(({ type }) => type)).toEqual(['machine', 'call', 'effect']);
  });

  it('catches a delete of a machine that is never released', () => {
    const broken = breakHistory().repeat(
      { type: 'call', requestId: 'delete-kept' },
      { requestId: 'stray', instances: ['i-parked', 'i-parked'] },
    );
    expect(expectViolation(broken, 'I1').map(({ message }) => message)).toEqual([
      'a delete call reached aws for machine parked without the release of its last lease fourth',
    ]);
  });

  it('accuses nobody of what shares a millisecond with the commit that allows it', () => {
    const broken = breakHistory().move({ type: 'call', requestId: 'stop-first' }, 10_100);
    for (const at of [2000, 11_000, 52_000]) {
      broken.repeat({ type: 'effect', requestId: 'stop-third' }, { instance: 'i-reused', at: EPOCH + at });
    }
    expect(firedBy(broken)).toEqual([]);
  });

  it('catches a stop of the earlier lease that lands while the later one is being stopped', () => {
    const broken = breakHistory().repeat({ type: 'effect', requestId: 'stop-first' }, { at: EPOCH + 60_300 });
    expect(firedBy(broken)).toEqual(['I1']);
  });

  it('blames nobody for what the cloud did by itself', () => {
    const broken = breakHistory();
    broken.repeat({ type: 'effect', requestId: 'stop-first' }, { at: EPOCH + 55_000, requestId: null });
    broken.repeat(
      { type: 'effect', requestId: 'stop-first' },
      { at: EPOCH + 55_000, effect: 'evicted', requestId: null },
    );
    expect(firedBy(broken)).toEqual([]);
  });
});

describe('I1: the lifecycle that the order rests on', () => {
  it('catches a machine that goes from leased to deleting', () => {
    const broken = breakHistory();
    for (const to of ['stopping', 'stopped', 'released']) {
      broken.remove({ type: 'machine', machine: 'neighbour', to });
    }
    broken.change({ type: 'machine', machine: 'neighbour', to: 'deleting' }, { from: 'leased' });
    const messages = expectViolation(broken, 'I1', ['I4']).map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('no move from leased to deleting'));
  });

  it('catches a release that skips stopped', () => {
    const broken = breakHistory()
      .remove({ type: 'machine', machine: 'kept', to: 'stopped' })
      .change({ type: 'machine', machine: 'kept', to: 'released' }, { from: 'stopping' });
    expect(firedBy(broken)).toEqual(['I1']);
  });

  it('catches a row that does not go on from its last write', () => {
    const broken = breakHistory().remove({ type: 'machine', machine: 'kept', to: 'stopped' });
    expect(expectViolation(broken, 'I1')[0]?.message).toContain('but the row was stopping');
  });

  it('catches an open intent that is replaced by a milder one', () => {
    const where = { type: 'machine', machine: 'kept', time: 90_000 } as const;
    expect(expectViolation(breakHistory().change(where, { intentKind: 'park' }), 'I1')[0]?.message).toContain(
      'quarantine was replaced by park',
    );
  });

  it('catches an intent that is dropped before it is done', () => {
    const where = { type: 'machine', machine: 'kept', to: 'quarantined', time: 16_000 } as const;
    expect(firedBy(breakHistory().change(where, { intent: null, intentKind: null }))).toEqual(['I1']);
  });
});
