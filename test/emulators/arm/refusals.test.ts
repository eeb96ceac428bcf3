import { afterAll, beforeAll, expect, test } from 'vitest';

import { GROUP, rawRequest, refusalOf, SET, setPath, startArmBench } from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

let bench: ArmBench;

beforeAll(async () => {
  bench = await startArmBench();
});
afterAll(() => bench.close());

const V = 'api-version=2026-04-01';

const codeOf = async (path: string, init: { method?: string; body?: unknown } = {}): Promise<string> => {
  const { status, body } = await rawRequest(bench, path, init);
  return `${status} ${body.error?.code}`;
};

test('paths, methods and versions that are not served are refused', async () => {
  expect(await codeOf(`/subscriptions/${bench.address.subscriptionId}/locations?${V}`)).toBe(
    '404 InvalidResourceType',
  );
  expect(await codeOf(setPath(bench, `/redeploy?${V}`), { method: 'POST' })).toBe('404 InvalidResourceType');
  expect(await codeOf(setPath(bench, `/reimage?${V}`))).toBe('405 HttpMethodNotAllowed');
  expect(await codeOf(setPath(bench, ''))).toBe('400 MissingApiVersionParameter');
  expect(await codeOf(setPath(bench, '?api-version=1999-01-01'))).toBe('400 NoRegisteredProviderFound');
});

test('subscriptions, groups, sets, machines, places and operations that do not exist are refused', async () => {
  const id = bench.address.subscriptionId;
  const compute = `/subscriptions/${id}/providers/Microsoft.Compute/locations`;
  expect(await codeOf(setPath(bench, `?${V}`).replace(id, 'other'))).toBe('404 SubscriptionNotFound');
  expect(await codeOf(setPath(bench, `?${V}`).replace(`/${GROUP}/`, '/other/'))).toBe(
    '404 ResourceGroupNotFound',
  );
  expect(await codeOf(setPath(bench, `?${V}`).replace(SET, 'other'))).toBe('404 ResourceNotFound');
  expect(await codeOf(setPath(bench, `/virtualMachines/7?${V}`))).toBe('404 ResourceNotFound');
  expect(await codeOf(`${compute}/mars/usages?${V}`)).toBe('400 LocationNotAvailableForResourceType');
  expect(await codeOf(`${compute}/westeurope/operations/none?${V}`)).toBe('404 NotFound');
});

test('query parameters and body fields that are not known are refused, never ignored', async () => {
  expect(await codeOf(setPath(bench, `?${V}&colour=red`))).toBe('400 InvalidParameter');
  expect(await codeOf(setPath(bench, `/virtualMachines?${V}&$filter=x`))).toBe('400 InvalidParameter');
  expect(await codeOf(setPath(bench, `/virtualMachines?${V}&$expand=userData`))).toBe('400 InvalidParameter');
  for (const body of [{ instanceIDs: ['0'] }, { instanceIds: '0' }, { instanceIds: [0] }, ['0']]) {
    expect(await codeOf(setPath(bench, `/delete?${V}`), { method: 'POST', body })).toBe(
      '400 InvalidRequestContent',
    );
  }
  const patches = [
    { capacity: 1 },
    { sku: { capacity: '1' } },
    { sku: { capacity: -1 } },
    { properties: { wheels: 4 } },
  ];
  for (const body of patches) {
    expect(await codeOf(setPath(bench, `?${V}`), { method: 'PATCH', body })).toBe(
      '400 InvalidRequestContent',
    );
  }
  expect(bench.emulator.state().launched).toBe(0);
});

test('models that the vendor would not take are refused', async () => {
  const put = (body: unknown) => codeOf(setPath(bench, `x?${V}`), { method: 'PUT', body });
  const sku = { name: 'Standard_D2s_v5', capacity: 0 };
  const ephemeral = { storageProfile: { osDisk: { diffDiskSettings: { option: 'Local' } } } };
  const model = {
    location: 'westeurope',
    properties: { orchestrationMode: 'Uniform', virtualMachineProfile: {} },
  };
  expect(await put({ sku })).toBe('400 LocationRequired');
  expect(await put({ ...model, sku, location: 'mars' })).toBe('400 LocationNotAvailableForResourceType');
  expect(await put({ ...model, sku: { name: 'Standard_Huge', capacity: 0 } })).toBe('400 InvalidParameter');
  expect(await put({ ...model, sku: { name: sku.name } })).toBe('400 InvalidRequestContent');
  expect(
    await put({ ...model, sku, properties: { orchestrationMode: 'Flexible', virtualMachineProfile: {} } }),
  ).toBe('400 InvalidParameter');
  expect(
    await put({
      ...model,
      sku,
      properties: { orchestrationMode: 'Uniform', virtualMachineProfile: ephemeral },
    }),
  ).toBe('400 InvalidParameter');
});

test('a path in another case reaches the same set, and the resource group answers', async () => {
  const lower = await rawRequest(bench, setPath(bench, `?${V}`).toLowerCase());
  expect(lower.body['name']).toBe(SET);
  const group = setPath(bench, '').split('/providers')[0] ?? '';
  expect((await rawRequest(bench, `${group}?api-version=2021-04-01`)).body['name']).toBe(GROUP);
});

test('what is refused is logged with its code, and unknown paths as Unknown', async () => {
  const refusal = await refusalOf(bench.compute.virtualMachineScaleSets.get(GROUP, 'nothing'));
  expect(refusal.code).toBe('ResourceNotFound');
  expect(bench.log.records().at(-1)).toMatchObject({
    operation: 'VirtualMachineScaleSets_Get',
    status: 404,
    code: 'ResourceNotFound',
    mutating: false,
  });
  await rawRequest(bench, '/nowhere');
  expect(bench.log.records().at(-1)).toMatchObject({ operation: 'Unknown', status: 404 });
  expect(bench.emulator.state().calls['Unknown']).toBeGreaterThan(0);
});
