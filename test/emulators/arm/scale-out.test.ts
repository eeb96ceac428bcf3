import { afterEach, expect, test } from 'vitest';

import { armSettings } from '../../../src/emulators/arm/arm-options.ts';
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
  SPEED,
  setPath,
  startArmBench,
} from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

let bench: ArmBench;

afterEach(() => bench.close());

test('a PATCH under the ETag scales out, and its poller answers the set with the new capacity', async () => {
  bench = await startArmBench();
  const { etag } = await bench.compute.virtualMachineScaleSets.get(GROUP, SET);
  const set = await bench.compute.virtualMachineScaleSets.update(
    GROUP,
    SET,
    { sku: { name: 'Standard_D2ds_v5', capacity: 3 } },
    { ...FAST, ifMatch: etag ?? '' },
  );
  expect(set.sku?.capacity).toBe(3);
  expect(set.etag).not.toBe(etag);
  expect(set.provisioningState).toBe('Succeeded');
  const machines = await bench.list();
  expect(machines.map((each) => each.instanceId)).toEqual(['0', '1', '2']);
  expect(machines[0]?.instanceView?.statuses?.map((status) => status.code)).toEqual([
    'ProvisioningState/succeeded',
    'PowerState/running',
  ]);
  expect(effectsOf(bench, '1')).toEqual(['launched', 'running']);
  expect(callsOf(bench, 'VirtualMachineScaleSets_Update')[0]).toMatchObject({
    status: 200,
    token: etag,
    mutating: true,
  });
});

test('a PATCH under an old ETag is refused with 412 and changes nothing', async () => {
  bench = await startArmBench();
  const { etag } = await bench.compute.virtualMachineScaleSets.get(GROUP, SET);
  await bench.scaleTo(1);
  const late = bench.compute.virtualMachineScaleSets.update(
    GROUP,
    SET,
    { sku: { name: 'Standard_D2ds_v5', capacity: 0 } },
    { ...FAST, ifMatch: etag ?? '' },
  );
  expect(await refusalOf(late)).toMatchObject({ status: 412, code: 'PreconditionFailed' });
  expect(bench.aliveIds()).toEqual(['0']);
});

test('a deletion changes the ETag, so that a PATCH from before it is refused', async () => {
  bench = await startArmBench();
  await bench.scaleTo(2);
  const { etag } = await bench.compute.virtualMachineScaleSets.get(GROUP, SET);
  await bench.compute.virtualMachineScaleSets.deleteInstances(GROUP, SET, { instanceIds: ['0'] }, FAST);
  const stale = bench.compute.virtualMachineScaleSets.update(
    GROUP,
    SET,
    { sku: { name: 'Standard_D2ds_v5', capacity: 3 } },
    { ...FAST, ifMatch: etag ?? '' },
  );
  expect(await refusalOf(stale)).toMatchObject({ status: 412 });
});

test('a lower capacity makes the platform delete machines of its own choice', async () => {
  bench = await startArmBench();
  await bench.scaleTo(3);
  await bench.scaleTo(1);
  expect(bench.aliveIds()).toEqual(['0']);
  expect(effectsOf(bench, '2')).toEqual(['launched', 'running', 'deleted']);
});

test('new machines appear in the list only some time after the scale-out has finished', async () => {
  bench = await startArmBench({ listLag: { share: 1, ms: AGES_MS } });
  await bench.scaleTo(2);
  expect(await bench.list()).toEqual([]);
  expect((await bench.compute.virtualMachineScaleSetVMs.get(GROUP, SET, '1')).instanceId).toBe('1');
  bench.skip(AGES_MS);
  expect(await bench.list()).toHaveLength(2);
});

test('a machine that is being created is listed as Creating, without a power state', async () => {
  bench = await startArmBench({ durationsMs: { scaleOut: AGES_MS } });
  const poller = bench.compute.virtualMachineScaleSets.update(GROUP, SET, { sku: { capacity: 1 } }, FAST);
  await poller.submitted();
  const [machine] = await bench.list();
  expect(machine?.provisioningState).toBe('Creating');
  expect(machine?.instanceView?.statuses?.map((status) => status.code)).toEqual([
    'ProvisioningState/creating',
  ]);
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).provisioningState).toBe('Updating');
});

test('lists of machines and of network cards come in pages', async () => {
  bench = await startArmBench({ pageSize: 2 });
  await bench.scaleTo(5);
  expect((await bench.list()).map((each) => each.instanceId)).toEqual(['0', '1', '2', '3', '4']);
  expect(callsOf(bench, 'VirtualMachineScaleSetVMs_List')).toHaveLength(3);
  const cards = await Array.fromAsync(
    (await bench.network()).networkInterfaces.listVirtualMachineScaleSetNetworkInterfaces(GROUP, SET),
  );
  expect(cards.map((card) => card.ipConfigurations?.[0]?.privateIPAddress)).toEqual([
    '127.78.0.4',
    '127.78.0.5',
    '127.78.0.6',
    '127.78.0.7',
    '127.78.0.8',
  ]);
  expect(cards[4]?.virtualMachine?.id?.toLowerCase()).toBe(bench.emulator.state().alive[4]);
  expect(callsOf(bench, 'NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces')).toHaveLength(3);
});

test('a region without room fails the operation with AllocationFailed and keeps the machines it found room for', async () => {
  bench = await startArmBench({ stock: { Standard_D2ds_v5: 2 } });
  const { message } = await refusalOf(bench.scaleTo(5));
  expect(message).toContain('AllocationFailed');
  expect(bench.aliveIds()).toEqual(['0', '1']);
  const set = await bench.compute.virtualMachineScaleSets.get(GROUP, SET);
  expect(set).toMatchObject({ provisioningState: 'Failed', sku: { capacity: 5 } });
});

test('an overprovisioned set shows machines too many, which vanish and never count', async () => {
  bench = await startArmBench({ scaleSets: [{ name: SET, vmSize: 'Standard_D2s_v5', overprovision: true }] });
  await bench.compute.virtualMachineScaleSets.update(GROUP, SET, { sku: { capacity: 5 } }, FAST);
  expect(bench.emulator.state().launched).toBe(6);
  await eventually(() => bench.aliveIds().length === 5);
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).sku?.capacity).toBe(5);
  expect(bench.emulator.state().resources.disks).toHaveLength(5);
});

test('a set is put, listed, patched and deleted with its machines', async () => {
  bench = await startArmBench({ scaleSets: [] });
  const sets = bench.compute.virtualMachineScaleSets;
  const created = await sets.createOrUpdate(GROUP, SET, MODEL, FAST);
  expect(created).toMatchObject({ name: SET, orchestrationMode: 'Uniform', sku: { capacity: 2 } });
  expect((await Array.fromAsync(sets.list(GROUP))).map((set) => set.name)).toEqual([SET]);
  const tagged = await sets.update(GROUP, SET, { tags: { owner: 'fleet' } }, FAST);
  expect(tagged).toMatchObject({ tags: { owner: 'fleet' }, sku: { capacity: 2 } });
  await sets.delete(GROUP, SET, FAST);
  expect(await refusalOf(sets.get(GROUP, SET))).toMatchObject({ status: 404, code: 'ResourceNotFound' });
  expect(bench.emulator.state()).toMatchObject({ launched: 2, deleted: 2, alive: [] });
});

test('while a set is being deleted every other write on it is refused with 409', async () => {
  bench = await startArmBench({ durationsMs: { deleteInstances: AGES_MS } });
  await bench.scaleTo(1);
  const removal = bench.compute.virtualMachineScaleSets.delete(GROUP, SET, FAST);
  await removal.submitted();
  const writes = bench.compute.virtualMachineScaleSets;
  const refused = { status: 409, code: 'Conflict' };
  expect(await refusalOf(writes.update(GROUP, SET, { sku: { capacity: 2 } }, FAST))).toMatchObject(refused);
  expect(await refusalOf(writes.reimage(GROUP, SET, FAST))).toMatchObject(refused);
  expect(await refusalOf(writes.delete(GROUP, SET, FAST))).toMatchObject(refused);
});

test('the operation status says how it stands, its Location carries the result, and both are gone after a day', async () => {
  bench = await startArmBench({ durationsMs: { scaleOut: 400_000 } });
  const started = await rawRequest(bench, setPath(bench, '?api-version=2026-04-01'), {
    method: 'PATCH',
    body: { sku: { capacity: 1 } },
  });
  const status = started.headers.get('azure-asyncoperation') ?? '';
  const result = started.headers.get('location') ?? '';
  expect(started.headers.get('retry-after')).toBe('0');
  expect(status.startsWith(bench.address.endpoint)).toBe(true);
  expect((await rawRequest(bench, result)).status).toBe(202);
  expect((await rawRequest(bench, status)).body).toMatchObject({ status: 'InProgress' });
  await eventually(() => effectsOf(bench, '0').includes('running'));
  expect((await rawRequest(bench, status)).body).toMatchObject({ status: 'Succeeded' });
  expect((await rawRequest(bench, result)).body).toMatchObject({ sku: { capacity: 1 } });
  bench.skip(25 * 3600 * 1000);
  expect(await rawRequest(bench, status)).toMatchObject({
    status: 404,
    body: { error: { code: 'NotFound' } },
  });
  expect((await rawRequest(bench, result)).status).toBe(404);
});

test('the state counts what was launched, reset and deleted, and names what is left', async () => {
  bench = await startArmBench({ scaleSets: [{ name: SET, vmSize: 'Standard_D2s_v5' }] });
  const sets = bench.compute.virtualMachineScaleSets;
  await sets.update(GROUP, SET, { sku: { capacity: 2 } }, FAST);
  await sets.reimage(GROUP, SET, { vmScaleSetReimageInput: { instanceIds: ['0'] }, ...FAST });
  await sets.deleteInstances(GROUP, SET, { instanceIds: ['1'] }, FAST);
  const state = bench.emulator.state();
  expect(state).toMatchObject({
    launched: 2,
    deleted: 1,
    resets: 1,
    throttled: 0,
    faults: {},
    alive: [instanceKey(bench, '0')],
    calls: {
      VirtualMachineScaleSets_Update: 1,
      VirtualMachineScaleSets_Reimage: 1,
      VirtualMachineScaleSets_DeleteInstances: 1,
    },
    resources: {
      networkCards: [`${instanceKey(bench, '0')}/networkinterfaces/nic`],
      addresses: ['127.78.0.4'],
    },
  });
  expect(state.resources.disks).toHaveLength(1);
});

test('where the options name no sets there are two empty ones, one of spot machines', async () => {
  const { scaleSets } = armSettings({ speed: SPEED });
  bench = await startArmBench({ scaleSets });
  expect(bench.address.scaleSets).toEqual(['sandboxes', 'sandboxes-spot']);
  const spot = await bench.compute.virtualMachineScaleSets.get(GROUP, 'sandboxes-spot');
  expect(spot).toMatchObject({ sku: { capacity: 0 }, virtualMachineProfile: { priority: 'Spot' } });
});

const MODEL = {
  location: 'westeurope',
  sku: { name: 'Standard_D2ds_v5', tier: 'Standard', capacity: 2 },
  orchestrationMode: 'Uniform',
  overprovision: false,
  virtualMachineProfile: {
    storageProfile: { osDisk: { createOption: 'FromImage', diffDiskSettings: { option: 'Local' } } },
    networkProfile: { networkInterfaceConfigurations: [{ name: 'card', primary: true }] },
  },
};
