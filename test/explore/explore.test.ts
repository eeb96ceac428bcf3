import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { exploreSeeds } from '../../src/explore/explore-seeds.ts';
import { explore } from '../../src/explore/explore.ts';

describe('the fleet under many seeds', { timeout: 300_000 }, () => {
  it('breaks no invariant, although everything that may go wrong does, and every invariant is held against something', async () => {
    const report = await exploreSeeds({ from: 1, seeds: 200, audit, seconds: () => 0 });
    expect(report.violations).toEqual([]);
    expect(namesOfZero(report.faults)).toEqual([]);
    expect(namesOfZero(report.checked)).toEqual([]);
    expect(report).toMatchObject({ seeds: 200, steps: expect.any(Number) as number });
  });

  it.each([1, 7, 23])('takes the same steps again under seed %i', async (seed) => {
    const [one, other] = [await explore({ seed }), await explore({ seed })];
    expect(hash(one.trace)).toBe(hash(other.trace));
    expect(hash(one.history)).toBe(hash(other.history));
  });

  it('takes other steps under another seed', async () => {
    expect(hash((await explore({ seed: 1 })).trace)).not.toBe(hash((await explore({ seed: 2 })).trace));
  });

  it('tells of a run that broke something, with its trace', async () => {
    const told: string[] = [];
    const report = await exploreSeeds({
      ...{ from: 5, seeds: 1, audit, seconds: () => 0 },
      mutate: ({ store }) => ({
        store: { ...store, expireLeases: () => Promise.reject(new Error('no clock')) },
      }),
      onFailure: ({ run, violations, faults }) =>
        told.push(`${run.seed} ${run.trace.length > 0} ${violations.length > 0} ${faults.length}`),
    });
    // It fails by itself: no fault is left of it.
    expect(told).toEqual(['5 true true 0']);
    expect(report.violations[0]).toMatchObject({ seed: 5, invariant: 'run' });
  });
});

function namesOfZero(counts: Readonly<Record<string, number>>): string[] {
  return Object.keys(counts).filter((name) => counts[name] === 0);
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
