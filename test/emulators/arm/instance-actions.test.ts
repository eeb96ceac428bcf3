import { afterEach, expect, test, vi } from 'vitest';

import { createGuests, reserveGuestPort } from '../../../src/emulators/guests.ts';
import {
  AGES_MS,
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
  SPEED,
} from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

const MANAGED = [{ name: SET, vmSize: 'Standard_D2s_v5' }];

let bench: ArmBench;

afterEach(() => bench.close());

test('deleting by id deletes those machines alone and lowers the capacity with the request', async () => {
  bench = await startArmBench();
  await bench.scaleTo(4);
  const sets = bench.compute.virtualMachineScaleSets;
  const poller = sets.deleteInstances(GROUP, SET, { instanceIds: ['1', '3', '1'] }, FAST);
  await poller.submitted();
  expect((await sets.get(GROUP, SET)).sku?.capacity).toBe(2);
  await poller;
  expect(bench.aliveIds()).toEqual(['0', '2']);
  expect(effectsOf(bench, '3')).toEqual(['launched', 'running', 'deleted']);
  expect(callsOf(bench, 'VirtualMachineScaleSets_DeleteInstances')[0]?.instances).toEqual([
    instanceKey(bench, '1'),
    instanceKey(bench, '3'),
  ]);
  await bench.scaleTo(3);
  expect(bench.aliveIds()).toEqual(['0', '2', '4']);
});

test('an id that is not active is refused, and its neighbours in the request are left alone', async () => {
  bench = await startArmBench();
  await bench.scaleTo(1);
  const sets = bench.compute.virtualMachineScaleSets;
  for (const write of [
    sets.deleteInstances(GROUP, SET, { instanceIds: ['0', '9'] }, FAST),
    sets.reimage(GROUP, SET, { vmScaleSetReimageInput: { instanceIds: ['0', '9'] }, ...FAST }),
  ]) {
    const refusal = await refusalOf(write);
    expect(refusal).toMatchObject({ status: 400, code: 'InvalidParameter' });
    expect(refusal.message).toContain(
      'The provided instanceId 9 is not an active Virtual Machine Scale Set VM instanceId.',
    );
  }
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running']);
});

test('a deletion without ids deletes every machine of the set', async () => {
  bench = await startArmBench();
  await bench.scaleTo(3);
  await bench.compute.virtualMachineScaleSets.deleteInstances(GROUP, SET, { instanceIds: [] }, FAST);
  expect(bench.aliveIds()).toEqual([]);
  await bench.scaleTo(2);
  const bodiless = await rawRequest(bench, setPath(bench, '/delete?api-version=2026-04-01'), {
    method: 'POST',
  });
  expect(bodiless.status).toBe(202);
  await eventually(() => bench.aliveIds().length === 0);
  expect(bench.emulator.state()).toMatchObject({ launched: 5, deleted: 5 });
});

test('a reimage without ids resets every machine of the set', async () => {
  bench = await startArmBench();
  await bench.scaleTo(3);
  await bench.compute.virtualMachineScaleSets.reimage(GROUP, SET, FAST);
  expect(bench.emulator.state().resets).toBe(3);
});

test('a reimage resets the machines it names and leaves them running', async () => {
  bench = await startArmBench();
  await bench.scaleTo(2);
  const input = { instanceIds: ['1'], tempDisk: true };
  await bench.compute.virtualMachineScaleSets.reimage(GROUP, SET, { vmScaleSetReimageInput: input, ...FAST });
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running']);
  expect(effectsOf(bench, '1')).toEqual(['launched', 'running', 'reset']);
  await bench.compute.virtualMachineScaleSets.reimageAll(GROUP, SET, {
    vmInstanceIDs: { instanceIds: ['0'] },
    ...FAST,
  });
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running', 'reset']);
  expect(bench.emulator.state().resets).toBe(2);
});

test('machines are powered off, started and restarted', async () => {
  bench = await startArmBench();
  await bench.scaleTo(1);
  const sets = bench.compute.virtualMachineScaleSets;
  const vmInstanceIDs = { instanceIds: ['0'] };
  await sets.powerOff(GROUP, SET, { vmInstanceIDs, skipShutdown: true, ...FAST });
  const view = await bench.compute.virtualMachineScaleSetVMs.getInstanceView(GROUP, SET, '0');
  expect(view.statuses?.map((status) => status.code)).toContain('PowerState/stopped');
  await sets.start(GROUP, SET, { vmInstanceIDs, ...FAST });
  await sets.restart(GROUP, SET, { vmInstanceIDs, ...FAST });
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running', 'stopped', 'started', 'stopped', 'started']);
});

test('a machine with an ephemeral disk cannot be deallocated, one with a managed disk can', async () => {
  bench = await startArmBench();
  await bench.scaleTo(1);
  const deallocate = () => bench.compute.virtualMachineScaleSets.deallocate(GROUP, SET, FAST);
  expect(await refusalOf(deallocate())).toMatchObject({ status: 409, code: 'OperationNotAllowed' });
  await bench.close();
  bench = await startArmBench({ scaleSets: MANAGED });
  await bench.compute.virtualMachineScaleSets.update(GROUP, SET, { sku: { capacity: 1 } }, FAST);
  await deallocate();
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running', 'stopped']);
  expect(bench.emulator.state().resources.disks).toHaveLength(1);
});

test('a machine that is marked for deletion can only be deleted', async () => {
  bench = await startArmBench({ durationsMs: { deleteInstances: AGES_MS } });
  await bench.scaleTo(1);
  const sets = bench.compute.virtualMachineScaleSets;
  const ids = { instanceIds: ['0'] };
  await sets.deleteInstances(GROUP, SET, ids, FAST).submitted();
  const refusal = await refusalOf(sets.powerOff(GROUP, SET, { vmInstanceIDs: ids, ...FAST }));
  expect(refusal).toMatchObject({ status: 409, code: 'OperationNotAllowed' });
  expect(refusal.message).toContain('marked for deletion');
  await sets.deleteInstances(GROUP, SET, ids, { forceDeletion: true, ...FAST }).submitted();
  expect((await sets.get(GROUP, SET)).sku?.capacity).toBe(0);
});

test('an ephemeral machine that is still being created cannot be reimaged', async () => {
  bench = await startArmBench({ durationsMs: { scaleOut: AGES_MS } });
  const sets = bench.compute.virtualMachineScaleSets;
  await sets.update(GROUP, SET, { sku: { capacity: 1 } }, FAST).submitted();
  const reimage = sets.reimage(GROUP, SET, { vmScaleSetReimageInput: { instanceIds: ['0'] }, ...FAST });
  expect(await refusalOf(reimage)).toMatchObject({ status: 400, code: 'BadRequest' });
});

test('a guest answers only once it has booted, and again after a reset, under the same address', async () => {
  // Longer than a busy machine takes to look: a second of real time.
  bench = await startArmBench({ durationsMs: { boot: 1_000 * SPEED } });
  await bench.scaleTo(1);
  const address = '127.78.0.4';
  expect(bench.answering.has(address)).toBe(false);
  await eventually(() => bench.answering.get(address) === 1);
  const reset = bench.compute.virtualMachineScaleSets.reimage(GROUP, SET, FAST);
  await eventually(() => effectsOf(bench, '0').includes('reset'));
  expect(bench.answering.has(address)).toBe(false);
  await reset;
  await eventually(() => bench.answering.get(address) === 2);
  await bench.compute.virtualMachineScaleSets.powerOff(GROUP, SET, FAST);
  expect(bench.answering.has(address)).toBe(false);
  await bench.compute.virtualMachineScaleSets.start(GROUP, SET, FAST);
  await eventually(() => bench.answering.get(address) === 3);
  await bench.compute.virtualMachineScaleSets.deleteInstances(GROUP, SET, { instanceIds: ['0'] }, FAST);
  expect(bench.answering.size).toBe(0);
});

test('only spot machines can be made to be evicted, and their policy says what becomes of them', async () => {
  bench = await startArmBench();
  await bench.scaleTo(1);
  const evict = (id: string) => bench.compute.virtualMachineScaleSetVMs.simulateEviction(GROUP, SET, id);
  expect(await refusalOf(evict('0'))).toMatchObject({ status: 409 });
  await bench.close();
  const spot = { name: SET, vmSize: 'Standard_D2s_v5', priority: 'Spot' } as const;
  bench = await startArmBench({ scaleSets: [{ ...spot, capacity: 2, evictionPolicy: 'Delete' }] });
  await eventually(() => effectsOf(bench, '1').includes('running'));
  await evict('1');
  await eventually(() => bench.aliveIds().length === 1);
  expect(effectsOf(bench, '1')).toEqual(['launched', 'running', 'evicted', 'deleted']);
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).sku?.capacity).toBe(1);
  expect(await refusalOf(evict('1'))).toMatchObject({ status: 400, code: 'InvalidParameter' });
  await bench.close();
  bench = await startArmBench({ scaleSets: [{ ...spot, capacity: 1 }] });
  await eventually(() => effectsOf(bench, '0').includes('running'));
  expect(bench.emulator.evict(instanceKey(bench, '0'))).toBe(true);
  expect(effectsOf(bench, '0')).toEqual(['launched', 'running', 'evicted', 'stopped']);
  expect(bench.emulator.evict(instanceKey(bench, '0'), 'vanish')).toBe(true);
  expect(bench.aliveIds()).toEqual([]);
  expect(bench.emulator.evict(instanceKey(bench, '0'))).toBe(false);
});

test('a guest is a real listener at its own loopback address, and says who it is', async () => {
  const reserved = await reserveGuestPort('127.78.0.1', 0);
  const guests = createGuests({ port: reserved.port });
  bench = await startArmBench({ durationsMs: { boot: 1 } }, guests);
  await bench.scaleTo(1);
  const probe = async (): Promise<unknown> => (await fetch(`http://127.78.0.4:${reserved.port}/`)).json();
  await vi.waitFor(async () =>
    expect(await probe()).toEqual({ instance: instanceKey(bench, '0'), boots: 1 }),
  );
  await bench.compute.virtualMachineScaleSets.deleteInstances(GROUP, SET, { instanceIds: ['0'] }, FAST);
  await guests.close('127.78.0.4');
  await expect(probe()).rejects.toThrow('fetch failed');
  await reserved.release();
});
