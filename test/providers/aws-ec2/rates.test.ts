import { describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
import type { Bucket, Budgets } from '../../../src/fleet/provider.ts';
import { createRates } from '../../../src/providers/aws-ec2/rates.ts';
import { refusalOf } from '../contract-driver.ts';

const site = { account: 'default', region: 'eu-west-1' };
const launchOf = (instances: number) => ({ site, action: 'RunInstances', mutating: true, instances });

function recording(waitMs: (bucket: Bucket) => number = () => 0): {
  budgets: Budgets;
  taken: [string, number, Bucket][];
  told: [string, number][];
} {
  const taken: [string, number, Bucket][] = [];
  const told: [string, number][] = [];
  const budgets: Budgets = {
    take: (bucket, count) =>
      Promise.resolve(taken.push([bucket.key, count, bucket])).then(() => waitMs(bucket)),
    throttled: (bucket, retryAfterMs) => Promise.resolve(void told.push([bucket.key, retryAfterMs])),
  };
  return { budgets, taken, told };
}

describe("a call's cost", () => {
  it('is a request and its instances, per account, region and action', async () => {
    const { budgets, taken } = recording();
    await createRates(budgets, 1).enter(launchOf(30));
    expect(taken.map(([key, count]) => [key, count])).toEqual([
      ['aws:default:eu-west-1:RunInstances', 1],
      ['aws:default:eu-west-1:RunInstances:instances', 30],
    ]);
  });

  it.each([
    ['RunInstances', true, [5, 2], [1000, 2]],
    ['StartInstances', true, [5, 2], [1000, 2]],
    ['StopInstances', true, [50, 5], [1000, 20]],
    ['TerminateInstances', true, [100, 5], [1000, 20]],
    ['CreateReplaceRootVolumeTask', true, [50, 5], undefined],
    ['DescribeInstances', false, [100, 20], undefined],
  ])('of %s is paced by the published numbers', async (action, mutating, ...[request, instances]) => {
    const { budgets, taken } = recording();
    await createRates(budgets, 1).enter({ site, action, mutating, instances: 1 });
    const sizes = taken.map(([, , bucket]) => [bucket.max, bucket.refillPerSecond]);
    expect(sizes).toEqual(instances === undefined ? [request] : [request, instances]);
  });

  it('comes back faster where the account has higher limits', async () => {
    const { budgets, taken } = recording();
    await createRates(budgets, 3).enter(launchOf(1));
    expect(taken.map(([, , bucket]) => bucket.refillPerSecond)).toEqual([6, 6]);
  });

  it('never asks for more instances than the bucket can hold', async () => {
    const { budgets, taken } = recording();
    await createRates(budgets, 1).enter(launchOf(5000));
    expect(taken[1]?.[1]).toBe(1000);
  });
});

describe('an empty budget', () => {
  it.each(['RunInstances', 'RunInstances:instances'])('of %s puts the call off', async (kind) => {
    const { budgets } = recording((bucket) => (bucket.key.endsWith(kind) ? 1234 : 0));
    const error = await refusalOf(createRates(budgets, 1).enter(launchOf(2)), { code: 'throttled' });
    expect(error).toMatchObject({ remedy: 'retry-later', retryAfterMs: 1234, maybeExecuted: false });
  });

  it('that EC2 has told of is told to everybody', async () => {
    const { budgets, told } = recording();
    const refusal = new FleetError('too fast', {
      code: 'throttled',
      remedy: 'retry-later',
      vendorCode: 'RequestLimitExceeded',
    });
    const error = await createRates(budgets, 1).refused(launchOf(2), refusal);
    expect(error).toMatchObject({
      code: 'throttled',
      retryAfterMs: 1000,
      vendorCode: 'RequestLimitExceeded',
    });
    expect(told).toEqual([['aws:default:eu-west-1:RunInstances', 1000]]);
  });

  it('is believed where EC2 names the time', async () => {
    const { budgets, told } = recording();
    const refusal = new FleetError('too fast', {
      code: 'throttled',
      remedy: 'retry-later',
      retryAfterMs: 9000,
    });
    const error = await createRates(budgets, 1).refused(launchOf(2), refusal);
    expect(error.retryAfterMs).toBe(9000);
    expect(told.map(([, ms]) => ms)).toEqual([9000]);
  });
});

it('a call is not sent where the budgets cannot be asked', async () => {
  const cause = new Error('no connection');
  const broken: Budgets = { take: () => Promise.reject(cause), throttled: () => Promise.reject(cause) };
  const error = await refusalOf(createRates(broken, 1).enter(launchOf(1)), { code: 'unavailable' });
  expect(error).toMatchObject({ remedy: 'retry', maybeExecuted: false });
});
