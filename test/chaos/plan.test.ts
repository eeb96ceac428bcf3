import { expect, test } from 'vitest';
import { BLOW_KINDS, planBlows } from '../../src/cli/chaos/plan.ts';

const SEEDS = Array.from({ length: 50 }, (_, index) => index);

test('the same seed plans the same blows, another seed others', () => {
  expect(planBlows({ seed: 3, minutes: 2 })).toEqual(planBlows({ seed: 3, minutes: 2 }));
  expect(planBlows({ seed: 3, minutes: 2 })).not.toEqual(planBlows({ seed: 4, minutes: 2 }));
});

test('one minute is enough for every kind of blow to fall, whatever the seed', () => {
  for (const seed of SEEDS) {
    const kinds = new Set(planBlows({ seed, minutes: 1 }).map((blow) => blow.kind));
    expect([...kinds].toSorted(), `seed ${seed}`).toEqual(BLOW_KINDS.toSorted());
  }
});

test('a longer run goes on with every kind of blow to its end', () => {
  const plan = planBlows({ seed: 1, minutes: 10 });
  const late = new Set(plan.filter((blow) => blow.atMs > 7 * 60_000).map((blow) => blow.kind));
  expect([...late].toSorted()).toEqual(BLOW_KINDS.toSorted());
});

test('each blow has its time before the next one falls, and all fall within the minutes', () => {
  for (const seed of SEEDS) {
    const plan = planBlows({ seed, minutes: 3 });
    let freeAtMs = 0;
    for (const blow of plan) {
      expect(blow.atMs).toBeGreaterThanOrEqual(freeAtMs);
      freeAtMs = blow.atMs + blow.takesMs;
    }
    expect(freeAtMs).toBeLessThanOrEqual(3 * 60_000);
  }
});

test('call faults go through different calls of both clouds', () => {
  const faults = planBlows({ seed: 1, minutes: 10 }).flatMap((blow) => ('fault' in blow ? [blow] : []));
  const hit = (kind: string): Set<string> =>
    new Set(
      faults.filter((each) => each.kind === kind).map(({ fault }) => `${fault.cloud} ${fault.operation}`),
    );
  expect([...hit('lostReply')].toSorted()).toEqual([
    'aws RunInstances',
    'aws StopInstances',
    'aws TerminateInstances',
    'azure VirtualMachineScaleSets_DeleteInstances',
    'azure VirtualMachineScaleSets_Reimage',
    'azure VirtualMachineScaleSets_Update',
  ]);
});
