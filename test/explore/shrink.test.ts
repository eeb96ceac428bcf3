import { expect, it } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { explore } from '../../src/explore/explore.ts';
import { exploreSeeds, type Failure } from '../../src/explore/explore-seeds.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { MUTANTS } from './mutants.ts';

const hundred = Array.from({ length: 100 }, (_, index) => index);

it('what is needed is left, in its order, and nothing else', async () => {
  const needed = [3, 42, 43, 97];
  const left = await shrink(hundred, (only) => Promise.resolve(needed.every((item) => only.has(item))));
  expect(left).toEqual(needed);
});

it('nothing is left of what fails by itself', async () => {
  expect(await shrink(hundred, () => Promise.resolve(true))).toEqual([]);
});

it('everything is left where all of it is needed, after a bounded number of runs', async () => {
  let runs = 0;
  const left = await shrink(hundred, (only) => {
    runs += 1;
    return Promise.resolve(only.size === hundred.length);
  });
  expect(left).toEqual(hundred);
  expect(runs).toBeLessThan(400);
});

it('a failing seed is shrunk to the faults it takes, and breaks the same invariant with those alone', async () => {
  const mutant = MUTANTS.find((each) => each.name.includes('takeover'));
  if (mutant === undefined) throw new Error('there is no mutant that fails in a takeover');
  const how = { mutate: mutant.mutate, audit, seconds: () => 0 };
  const failures: Failure[] = [];
  for (let from = 1; failures.length === 0 && from < 1000; from += 1) {
    await exploreSeeds({ ...how, from, seeds: 1, onFailure: (failure) => failures.push(failure) });
  }
  const [failure] = failures;
  if (failure === undefined) throw new Error('the mutant was found by no seed');
  const { seed, faultPlaces } = failure.run;
  expect(failure.faults.length).toBeLessThan(faultPlaces.length / 2);
  const again = await explore({ seed, mutate: mutant.mutate, faults: new Set(failure.faults) });
  expect(again.trace).toEqual(failure.run.trace);
  expect(audit(again.history).violations.map(({ invariant }) => invariant)).toEqual(
    failure.violations.map(({ invariant }) => invariant),
  );
}, 120_000);
