import { afterEach, expect, test } from 'vitest';

import type { Fault } from '../../../src/emulators/faults.ts';
import {
  callsOf,
  effectsOf,
  eventually,
  FAST,
  GROUP,
  instanceKey,
  rawRequest,
  refusalOf,
  SET,
  setPath,
  startArmBench,
} from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

const UPDATE = 'VirtualMachineScaleSets_Update';
const DELETE = 'VirtualMachineScaleSets_DeleteInstances';
const REIMAGE = 'VirtualMachineScaleSets_Reimage';

let bench: ArmBench;

afterEach(() => bench.close());

const patch = (capacity: number) =>
  bench.compute.virtualMachineScaleSets.update(GROUP, SET, { sku: { capacity } }, FAST);
const deletion = (...instanceIds: string[]) =>
  bench.compute.virtualMachineScaleSets.deleteInstances(GROUP, SET, { instanceIds }, FAST);

test('an injected throttle is a 429 with the details of one, and nothing is done', async () => {
  bench = await startArmBench();
  bench.faults.add({ kind: 'throttled', operation: UPDATE, times: 1 });
  const refusal = await refusalOf(patch(1));
  expect(refusal).toMatchObject({ status: 429, code: 'OperationNotAllowed', retryAfter: '0' });
  expect(bench.emulator.state()).toMatchObject({ launched: 0, throttled: 1, faults: { throttled: 1 } });
  expect(callsOf(bench, UPDATE)[0]).toMatchObject({
    status: 429,
    fault: 'throttled',
    code: 'OperationNotAllowed',
  });
});

test('an injected refusal carries its code and status, and nothing is done', async () => {
  bench = await startArmBench();
  bench.faults.add({ kind: 'refused', operation: UPDATE, times: 1, code: 'SkuNotAvailable' });
  bench.faults.add({ kind: 'refused', operation: UPDATE, times: 1, code: 'ServiceUnavailable' });
  expect(await refusalOf(patch(1))).toMatchObject({ status: 409, code: 'SkuNotAvailable' });
  expect(await refusalOf(patch(1))).toMatchObject({ status: 503, code: 'ServiceUnavailable' });
  await patch(1);
  expect(bench.aliveIds()).toEqual(['0']);
});

test('a lost reply has its effect all the same', async () => {
  bench = await startArmBench();
  bench.faults.add({ kind: 'lost-reply', operation: UPDATE, times: 1 });
  expect(await refusalOf(patch(1))).toMatchObject({ status: undefined });
  await eventually(() => effectsOf(bench, '0').includes('running'));
  expect(callsOf(bench, UPDATE)[0]).toMatchObject({ status: 0, fault: 'lost-reply' });
});

test('a scale-out that fails for want of room leaves fewer machines than it was asked for', async () => {
  bench = await startArmBench();
  bench.faults.add({ kind: 'operation-failed', operation: UPDATE, times: 1, code: 'ZonalAllocationFailed' });
  expect((await refusalOf(patch(4))).message).toContain('ZonalAllocationFailed');
  expect(bench.aliveIds().length).toBeLessThan(4);
  for (const id of bench.aliveIds()) expect(effectsOf(bench, id)).toEqual(['launched', 'running']);
});

test('a scale-out that fails in the guests leaves all machines, some of them broken', async () => {
  bench = await startArmBench();
  bench.faults.add({ kind: 'operation-failed', operation: UPDATE, times: 1, code: 'OSProvisioningTimedOut' });
  expect((await refusalOf(patch(8))).message).toContain('OSProvisioningTimedOut');
  const states = (await bench.list()).map((machine) => machine.provisioningState);
  expect(states).toHaveLength(8);
  expect(new Set(states)).toEqual(new Set(['Failed', 'Succeeded']));
});

test('a deletion that fails may have deleted some, and the others count again', async () => {
  bench = await startArmBench();
  await bench.scaleTo(8);
  bench.faults.add({ kind: 'operation-failed', operation: DELETE, times: 1, code: 'InternalServerError' });
  const { message } = await refusalOf(deletion('0', '1', '2', '3', '4', '5', '6', '7'));
  expect(message).toContain('InternalServerError');
  const left = bench.aliveIds().length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(8);
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).sku?.capacity).toBe(left);
  await deletion(...bench.aliveIds());
  expect(bench.aliveIds()).toEqual([]);
});

test('a reimage with a late effect is answered now and resets the machine later', async () => {
  bench = await startArmBench();
  await bench.scaleTo(1);
  bench.faults.add({ kind: 'late-effect', operation: REIMAGE, times: 1, delayMs: 300_000 });
  const reimage = bench.compute.virtualMachineScaleSets.reimage(GROUP, SET, FAST);
  await reimage.submitted();
  const answeredAt = callsOf(bench, REIMAGE)[0]?.at ?? 0;
  await reimage;
  const reset = bench.log.records().find((record) => record.type === 'effect' && record.effect === 'reset');
  expect((reset?.at ?? 0) - answeredAt).toBeGreaterThanOrEqual(299);
});

test('a late PATCH without an ETag takes back a newer one; under an ETag it fails with 412 in its operation', async () => {
  bench = await startArmBench({ preemption: false });
  const { etag } = await bench.compute.virtualMachineScaleSets.get(GROUP, SET);
  const path = setPath(bench, '?api-version=2026-04-01');
  bench.faults.add({ kind: 'late-effect', operation: UPDATE, times: 2, delayMs: 500_000 });
  const guarded = await rawRequest(bench, path, {
    method: 'PATCH',
    body: { sku: { capacity: 1 } },
    headers: { 'if-match': etag ?? '' },
  });
  const bare = await rawRequest(bench, path, { method: 'PATCH', body: { sku: { capacity: 1 } } });
  expect([guarded.status, bare.status]).toEqual([200, 200]);
  await patch(2);
  await eventually(() => bench.emulator.state().deleted === 1);
  expect(bench.aliveIds()).toEqual(['0']);
  const outcome = await rawRequest(bench, guarded.headers.get('azure-asyncoperation') ?? '');
  expect(outcome.body.error?.code).toBe('PreconditionFailed');
});

test('a fault for one machine hits only the calls that name it', async () => {
  bench = await startArmBench();
  await bench.scaleTo(2);
  bench.faults.add({
    kind: 'refused',
    operation: DELETE,
    times: 1,
    code: 'Conflict',
    instance: instanceKey(bench, '1'),
  });
  await deletion('0');
  expect(await refusalOf(deletion('1'))).toMatchObject({ status: 409, code: 'Conflict' });
});

test('a fault that could hit nothing is refused', async () => {
  bench = await startArmBench();
  const check = (fault: Fault): void => bench.emulator.checkFault(fault);
  expect(() => check({ kind: 'refused', operation: 'Nothing_Delete', times: 1 })).toThrow('no ARM operation');
  expect(() => check({ kind: 'operation-failed', operation: 'Usage_List', times: 1 })).toThrow(
    'begins nothing',
  );
  expect(() => check({ kind: 'late-effect', operation: 'Usage_List', times: 1 })).toThrow('no effect');
  expect(() => check({ kind: 'late-effect', operation: UPDATE, times: 1 })).not.toThrow();
});
