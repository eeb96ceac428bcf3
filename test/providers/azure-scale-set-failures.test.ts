import { describe, expect, it } from 'vitest';
import type { FailureCode, Remedy } from '../../src/fleet/errors.ts';
import type { Bucket, Budgets } from '../../src/fleet/provider.ts';
import { fromThrown, fromVendor } from '../../src/providers/azure-scale-set/failures.ts';
import { findGrowth, ownerOf, withGrowth } from '../../src/providers/azure-scale-set/growth-marker.ts';
import { planGrowth } from '../../src/providers/azure-scale-set/grow.ts';
import { toOperationReport } from '../../src/providers/azure-scale-set/operation.ts';
import { toScaleSet } from '../../src/providers/azure-scale-set/placement.ts';
import { createRates } from '../../src/providers/azure-scale-set/rates.ts';
import { toSetModel } from '../../src/providers/azure-scale-set/translate.ts';
import { refusalOf } from './contract-driver.ts';

const mutating = { action: 'grow the set', mutating: true };
const reading = { action: 'list instances', mutating: false };

type Row = [
  status: number | undefined,
  vendorCode: string,
  message: string,
  code: FailureCode,
  remedy: Remedy,
];

const ROWS: Row[] = [
  [429, 'OperationNotAllowed', 'too many requests', 'throttled', 'retry-later'],
  [429, 'SubscriptionRequestsThrottled', 'too many', 'throttled', 'retry-later'],
  [429, 'RetryableErrorDueToAnotherOperation', 'a lock', 'conflict', 'retry'],
  [409, 'OperationNotAllowed', 'exceeding approved Total Regional Cores quota', 'quota', 'retry-elsewhere'],
  [409, 'OperationNotAllowed', 'since the VM is marked for deletion', 'wrong-state', 'retry-later'],
  [409, 'OperationNotAllowed', 'something else', 'wrong-state', 'retry-later'],
  [409, 'QuotaExceeded', 'exceeds', 'quota', 'retry-elsewhere'],
  [409, 'SkuNotAvailable', 'not here', 'capacity', 'retry-elsewhere'],
  [undefined, 'AllocationFailed', 'no room', 'capacity', 'retry-elsewhere'],
  [undefined, 'ZonalAllocationFailed', 'no room', 'capacity', 'retry-elsewhere'],
  [undefined, 'OverconstrainedAllocationRequest', 'no room', 'capacity', 'retry-elsewhere'],
  [undefined, 'OverconstrainedZonalAllocationRequest', 'no room', 'capacity', 'retry-elsewhere'],
  [undefined, 'OSProvisioningTimedOut', 'too slow', 'unavailable', 'retry'],
  [undefined, 'VMStartTimedOut', 'too slow', 'unavailable', 'retry'],
  [undefined, 'OperationPreempted', 'a newer one', 'conflict', 'retry'],
  [409, 'Conflict', 'concurrent', 'conflict', 'retry'],
  [412, 'PreconditionFailed', 'etag', 'conflict', 'retry'],
  [412, 'HTTP 412', '', 'conflict', 'retry'],
  [
    400,
    'InvalidParameter',
    'The provided instanceId 7 is not an active Virtual Machine Scale Set VM instanceId.',
    ...(['not-found', 'gone'] as const),
  ],
  [400, 'InstanceIdsListInstanceIdNotActiveVM', 'one is not', 'not-found', 'gone'],
  [
    400,
    'BadRequest',
    'ephemeral disk is not complete. Please trigger a restart',
    'wrong-state',
    'retry-later',
  ],
  [400, 'InvalidParameter', 'sku is wrong', 'invalid', 'give-up'],
  [401, 'ExpiredAuthenticationToken', 'expired', 'unauthorized', 'give-up'],
  [403, 'AuthorizationFailed', 'no role', 'unauthorized', 'give-up'],
  [403, 'RequestDisallowedByPolicy', 'policy', 'refused', 'give-up'],
  [404, 'ResourceNotFound', 'no set', 'not-found', 'give-up'],
  [undefined, 'SomethingNew', 'who knows', 'unavailable', 'retry-later'],
];

describe("Azure's refusals", () => {
  it.each(ROWS)('%s %s (%s) is %s: %s', (...row) => {
    const [status, vendorCode, message, code, remedy] = row;
    const failure = { code: vendorCode, message, ...(status === undefined ? {} : { status }) };
    expect(fromVendor(failure, mutating)).toMatchObject({ code, remedy, vendorCode, maybeExecuted: false });
  });

  it.each([408, 500, 502, 503, 504])('a %i leaves open whether a mutating call was executed', (status) => {
    const failure = { status, code: 'ServerError', message: 'oops' };
    expect(fromVendor(failure, mutating)).toMatchObject({
      code: 'unknown-reply',
      remedy: 'retry',
      maybeExecuted: true,
    });
    expect(fromVendor(failure, reading)).toMatchObject({
      code: 'unavailable',
      remedy: 'retry',
      maybeExecuted: false,
    });
  });

  it.each([
    ['ECONNRESET', true],
    ['REQUEST_SEND_ERROR', true],
    ['ETIMEDOUT', true],
    ['ECONNREFUSED', false],
    ['ENOTFOUND', false],
  ])('a connection that ends in %s may have executed a mutating call: %s', (code, maybeExecuted) => {
    const error = Object.assign(new Error('socket'), { code });
    expect(fromThrown(error, mutating)).toMatchObject({ remedy: 'retry', maybeExecuted, cause: error });
    expect(fromThrown(error, reading)).toMatchObject({ maybeExecuted: false });
  });

  it('an error that nobody knows keeps its cause and is not taken for a refusal', () => {
    const error = new TypeError('a bug');
    expect(fromThrown(error, mutating)).toMatchObject({ maybeExecuted: true, cause: error });
  });

  it('a missing token means that nothing was sent', () => {
    const refused = Object.assign(new Error('AADSTS7000215: Invalid client secret'), {
      name: 'AuthenticationError',
    });
    expect(fromThrown(refused, mutating)).toMatchObject({ code: 'unauthorized', maybeExecuted: false });
    const unreachable = Object.assign(new Error('network_error: ECONNRESET'), {
      name: 'AuthenticationRequiredError',
    });
    expect(fromThrown(unreachable, mutating)).toMatchObject({ code: 'unavailable', maybeExecuted: false });
  });
});

describe('the state of an operation', () => {
  const reply = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
    status,
    body,
    headers,
  });

  it('keeps the code that its failure has', () => {
    const body = { status: 'Failed', error: { code: 'AllocationFailed', message: 'no room' } };
    const report = toOperationReport(reply(200, body), 0);
    expect(report?.end).toEqual({ as: 'failed', code: 'AllocationFailed', message: 'no room' });
  });

  it('runs while it is neither succeeded, failed nor canceled, and is looked at when Azure says', () => {
    const report = toOperationReport(reply(200, { status: 'InProgress' }, { 'retry-after': '7' }), 0);
    expect(report).toEqual({ end: undefined, retryAfterMs: 7000 });
    expect(toOperationReport(reply(200, { status: 'Updating' }), 0)?.end).toBeUndefined();
    expect(toOperationReport(reply(200, { status: 'Canceled' }), 0)?.end?.as).toBe('failed');
  });

  it('is read from a Location as well', () => {
    expect(toOperationReport(reply(202, undefined), 0)?.end).toBeUndefined();
    expect(toOperationReport(reply(200, { sku: {} }), 0)?.end?.as).toBe('succeeded');
    const failed = reply(409, { error: { code: 'AllocationFailed', message: 'no room' } });
    expect(toOperationReport(failed, 0)?.end).toMatchObject({ as: 'failed', code: 'AllocationFailed' });
  });

  it('is unknown once it has expired, and an error where only the question failed', () => {
    expect(toOperationReport(reply(404, { error: { code: 'NotFound' } }), 0)).toBeUndefined();
    expect(() => toOperationReport(reply(503, undefined), 0)).toThrow(/read the state of an operation/);
    expect(() => toOperationReport(reply(429, undefined, { 'retry-after': '3' }), 0)).toThrow(
      expect.objectContaining({ code: 'throttled', retryAfterMs: 3000 }),
    );
  });
});

describe('the mark of a growth on its set', () => {
  const growth = (batch: string, highest: number) => ({ batch, before: 1, after: 3, highest });
  const uuid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

  it('is found among the latest growths, with what a later one says about its end', () => {
    const first = withGrowth({ team: 'red' }, growth(uuid(1), 4), 'ours');
    const second = withGrowth(first, growth(uuid(2), 6), 'ours');
    expect(findGrowth(second, uuid(2))).toEqual({ growth: growth(uuid(2), 6), last: null });
    expect(findGrowth(second, uuid(1))).toEqual({ growth: growth(uuid(1), 4), last: 6 });
    expect(findGrowth(second, uuid(3))).toBeUndefined();
    expect(second['team']).toBe('red');
    expect(ownerOf(second)).toBe('ours');
  });

  it('fits into a tag however many growths there were', () => {
    let tags: Record<string, string> = {};
    for (let number = 0; number < 20; number += 1)
      tags = withGrowth(tags, growth(uuid(number), 12_345), 'ours');
    for (const value of Object.values(tags)) expect(value.length).toBeLessThanOrEqual(256);
    for (const number of [17, 18, 19]) expect(findGrowth(tags, uuid(number))).toBeDefined();
  });

  it('of somebody else is ignored', () => {
    expect(findGrowth({ 'drover-growths': 'rubbish x:1 :::' }, 'x')).toBeUndefined();
  });
});

describe('how far a set is grown', () => {
  const machines = (count: number, state: 'running' | 'deleting' = 'running') =>
    Array.from({ length: count }, (_, number) => ({
      number: String(number),
      state,
      provisioning: 'Succeeded',
    }));
  const call = (wanted: number) => ({
    batch: 'b',
    members: Array.from({ length: wanted }, () => ({ machine: 'm', instance: null })),
  });
  const after = (capacity: number, present: number, wanted: number): number =>
    planGrowth({ capacity, most: 100 }, machines(present), call(wanted)).after;

  it('is by what is wanted, and never below what there is, whatever the listing shows', () => {
    for (let capacity = 0; capacity <= 6; capacity += 1) {
      for (let present = 0; present <= 8; present += 1) {
        expect(after(capacity, present, 2)).toBeGreaterThanOrEqual(capacity);
        expect(after(capacity, present, 2)).toBeLessThanOrEqual(capacity + 2);
      }
    }
    expect(after(3, 3, 2)).toBe(5);
    expect(after(5, 2, 4)).toBe(6);
    expect(after(2, 3, 1)).toBe(3);
  });

  it('begins above the highest number, those on their way out included', () => {
    expect(planGrowth({ capacity: 0, most: 100 }, machines(4, 'deleting'), call(1))).toMatchObject({
      highest: 3,
      after: 1,
    });
    expect(planGrowth({ capacity: 0, most: 100 }, [], call(1)).highest).toBe(-1);
  });

  it('is refused beyond what the set holds at most', () => {
    expect(() => planGrowth({ capacity: 99, most: 100 }, machines(99), call(2))).toThrow(
      /100 instances at most/,
    );
  });
});

describe('what a set must be like', () => {
  const set = toScaleSet({
    subscriptionId: '3d5f8b16-0a4c-4e7d-8b29-1c6e9f2a5d03',
    resourceGroup: 'drover',
    scaleSet: 'sandboxes',
    location: 'westeurope',
  });
  const read = { location: 'westeurope', etag: '"1"', sku: { name: 'Standard_D2ds_v5', capacity: 1 } };

  it('is told with what a reset has to clean', () => {
    const osDisk = { createOption: 'FromImage', diffDiskSettings: { option: 'Local' } };
    const dataDisks = [{ lun: 0, createOption: 'Empty' }];
    const profile = { storageProfile: { osDisk, dataDisks } };
    expect(toSetModel(set, { ...read, virtualMachineProfile: profile }, 'ours')).toMatchObject({
      ephemeral: true,
      hasDataDisks: true,
      spot: false,
    });
  });

  it.each([
    ['Flexible', { orchestrationMode: 'Flexible' }],
    ['overprovision', { overprovision: true }],
    ['installation theirs', { tags: { 'drover-installation': 'theirs' } }],
    ['no ETag', { etag: '' }],
  ])('is refused with %s in the reason', (word, more) => {
    const { etag, ...rest } = { ...read, ...more };
    const given = etag === '' ? rest : { ...rest, etag };
    expect(() => toSetModel(set, given, 'ours')).toThrow(new RegExp(word));
  });
});

describe('the budgets of calls', () => {
  const set = toScaleSet({
    subscriptionId: '3d5f8b16-0a4c-4e7d-8b29-1c6e9f2a5d03',
    resourceGroup: 'drover',
    scaleSet: 'sandboxes',
    location: 'westeurope',
  });
  const recording = (waitMs = 0): { budgets: Budgets; taken: Bucket[]; shut: [string, number][] } => {
    const taken: Bucket[] = [];
    const shut: [string, number][] = [];
    const budgets: Budgets = {
      take: (bucket) => Promise.resolve(taken.push(bucket) > 0 ? waitMs : 0),
      throttled: (bucket, retryAfterMs) => Promise.resolve(void shut.push([bucket.key, retryAfterMs])),
    };
    return { budgets, taken, shut };
  };

  it('are the published ones, of the set, of the subscription in its region, and of the front door', async () => {
    const { budgets, taken } = recording();
    await createRates({ budgets, refillFactor: 1, nowMs: () => 0 }).take('grow', set);
    const account = `azure:${set.subscriptionId}`;
    expect(taken).toEqual([
      { key: `azure:${set.id}:VMScaleSetUpdate`, max: 12, refillPerSecond: 4 / 60 },
      { key: `${account}:westeurope:VMScaleSetUpdate`, max: 1500, refillPerSecond: 500 / 60 },
      { key: `${account}:writes`, max: 200, refillPerSecond: 10 },
    ]);
  });

  it('that have run dry send nothing and say when to come again', async () => {
    const { budgets } = recording(1234);
    const rates = createRates({ budgets, refillFactor: 1, nowMs: () => 0 });
    const refusal = await refusalOf(rates.take('delete', set), {
      code: 'throttled',
      remedy: 'retry-later',
      retryAfterMs: 1234,
      maybeExecuted: false,
    });
    expect(refusal.message).toContain('1234 ms');
  });

  it('that cannot be read send nothing', async () => {
    const budgets: Budgets = {
      take: () => Promise.reject(new Error('no Redis')),
      throttled: () => Promise.resolve(),
    };
    const rates = createRates({ budgets, refillFactor: 1, nowMs: () => 0 });
    const refusal = await refusalOf(rates.take('readSet', set), {
      code: 'unavailable',
      maybeExecuted: false,
    });
    expect(refusal.cause).toEqual(new Error('no Redis'));
  });

  it('are lowered by a 429, for as long as Azure says and where it says', async () => {
    const { budgets, shut } = recording();
    const rates = createRates({ budgets, refillFactor: 1, nowMs: () => 0 });
    const body = (target: string) => ({ error: { code: 'OperationNotAllowed', details: [{ target }] } });
    const headers = { 'retry-after': '9' };
    await rates.heard('delete', set, { status: 429, headers, body: body('DeleteVMScaleSetResource') });
    await rates.heard('delete', set, {
      status: 429,
      headers,
      body: body('DeleteVMScaleSetSubscriptionMaximum'),
    });
    const front = { error: { code: 'SubscriptionRequestsThrottled', message: 'slow down' } };
    await rates.heard('delete', set, { status: 429, headers, body: front });
    expect(shut).toEqual([
      [`azure:${set.id}:VMScaleSetDelete`, 9000],
      [`azure:${set.subscriptionId}:westeurope:VMScaleSetDelete`, 9000],
      [`azure:${set.subscriptionId}:writes`, 9000],
    ]);
  });

  it('are lowered by an answer that says that nothing is left', async () => {
    const { budgets, shut } = recording();
    const rates = createRates({ budgets, refillFactor: 1, nowMs: () => 0 });
    const left =
      'Microsoft.Compute/UpdateVMScaleSetResource;0,Microsoft.Compute/UpdateVMScaleSetSubscription;1499';
    await rates.heard('grow', set, {
      ...{ status: 200, body: {}, headers: { 'x-ms-ratelimit-remaining-resource': left } },
    });
    expect(shut).toEqual([[`azure:${set.id}:VMScaleSetUpdate`, 15_000]]);
  });
});
