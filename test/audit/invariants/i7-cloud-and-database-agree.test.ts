import { describe, expect, it } from 'vitest';
import type { EndRecord } from '../../../src/audit/history.ts';
import { breakHistory, expectViolation, firedBy, type BrokenHistory } from '../broken-history.ts';

function changeEnd(change: (end: EndRecord) => void): BrokenHistory {
  const broken = breakHistory();
  for (const record of broken.records) if (record.type === 'end') change(record);
  return broken;
}

describe('I7: cloud and database agree', () => {
  it('catches an instance without a machine', () => {
    const broken = changeEnd((end) => {
      end.cloud.instances.push('i-ghost');
      end.cloud.disks.push({ id: 'disk-ghost', instance: 'i-ghost' });
    });
    const subjects = expectViolation(broken, 'I7').map(({ subject }) => subject);
    expect(subjects).toEqual(['disk-ghost', 'i-ghost']);
  });

  it('lets a deleted machine stand in the list, but not own anything', () => {
    const tombstone = { machine: 'kept', instance: 'i-parked', state: 'deleted' };
    expect(firedBy(changeEnd((end) => end.machines.push(tombstone)))).toEqual([]);
    const owned = changeEnd((end) => {
      end.machines.push({ ...tombstone, instance: 'i-kept' });
      end.cloud.instances.push('i-kept');
    });
    expect(expectViolation(owned, 'I7')[0]?.subject).toBe('i-kept');
  });

  it.each(['disks', 'networkCards', 'addresses'] as const)('catches %s that belong to nothing', (kind) => {
    const broken = changeEnd((end) => {
      end.cloud[kind].push({ id: 'loose', instance: null }, { id: 'left', instance: 'i-reused' });
    });
    expect(expectViolation(broken, 'I7').map(({ subject }) => subject)).toEqual(['left', 'loose']);
  });

  it('catches a machine whose instance is not in the cloud', () => {
    const broken = changeEnd((end) => {
      end.cloud = { instances: [], disks: [], networkCards: [], addresses: [] };
    });
    expect(expectViolation(broken, 'I7').map(({ subject }) => subject)).toContain('parked');
  });

  it('catches a machine that has no row any more', () => {
    const broken = changeEnd((end) => {
      end.machines = [];
    });
    expect(expectViolation(broken, 'I7').map(({ subject }) => subject)).toContain('parked');
  });

  it('catches a deleted machine that is listed as existing', () => {
    const broken = changeEnd((end) => {
      end.machines.push({ machine: 'kept', instance: null, state: 'deleting' });
    });
    expect(expectViolation(broken, 'I7')[0]?.subject).toBe('kept');
  });

  it('catches two machines with one instance', () => {
    const broken = changeEnd((end) => {
      end.machines.push({ machine: 'twin', instance: 'i-parked', state: 'ready' });
    });
    expect(firedBy(broken)).toEqual(['I7']);
  });

  it('catches an instance on record that nobody saw go', () => {
    const broken = breakHistory().change(
      { type: 'instance', instance: 'i-kept', gone: 'listed-gone' },
      { gone: null },
    );
    expect(firedBy(broken)).toEqual(['I7']);
  });
});
