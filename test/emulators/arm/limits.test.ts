import { afterEach, expect, test } from 'vitest';

import { FAST, GROUP, rawRequest, refusalOf, SET, setPath, startArmBench } from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

let bench: ArmBench;

afterEach(() => bench.close());

const patch = (capacity: number) =>
  bench.compute.virtualMachineScaleSets.update(GROUP, SET, { sku: { capacity } }, FAST);

test('beyond the quota a scale-out is refused at once with 409, and the usage shows why', async () => {
  bench = await startArmBench({ quota: { cores: 5 } });
  await patch(2);
  const refusal = await refusalOf(patch(3));
  expect(refusal).toMatchObject({ status: 409, code: 'OperationNotAllowed' });
  expect(refusal.message).toContain('exceeding approved Total Regional Cores quota');
  expect(refusal.message).toContain('Current Limit: 5, Current Usage: 4, Additional Required: 2');
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).sku?.capacity).toBe(2);
  const usages = await Array.fromAsync(bench.compute.usage.list('westeurope'));
  expect(usages.find((usage) => usage.name.value === 'cores')).toMatchObject({ currentValue: 4, limit: 5 });
  expect(usages.find((usage) => usage.name.value === 'standardDDSv5Family')).toMatchObject({
    currentValue: 4,
  });
});

test("a family's quota and the spot quota have names of their own", async () => {
  bench = await startArmBench({ quota: { families: { standardDDSv5Family: 2 } } });
  expect((await refusalOf(patch(2))).message).toContain('exceeding approved standardDDSv5Family Cores quota');
  await bench.close();
  const spot = { name: SET, vmSize: 'Standard_D2s_v5', priority: 'Spot', evictionPolicy: 'Delete' } as const;
  bench = await startArmBench({ quota: { lowPriorityCores: 1, cores: 0 }, scaleSets: [spot] });
  expect((await refusalOf(patch(1))).message).toContain('exceeding approved LowPriorityCores quota');
});

test('the thirteenth write on a set within a minute is throttled with 429, which is not the quota', async () => {
  bench = await startArmBench({ throttling: true, speed: 1, preemption: false });
  const send = () =>
    rawRequest(bench, setPath(bench, '?api-version=2026-04-01'), { method: 'PATCH', body: { tags: {} } });
  const first = await send();
  expect(first.headers.get('x-ms-ratelimit-remaining-resource')).toBe(
    'Microsoft.Compute/UpdateVMScaleSet;11',
  );
  expect(first.headers.get('x-ms-ratelimit-remaining-subscription-writes')).toBe('199');
  let last = first;
  for (let sent = 1; sent < 13; sent += 1) {
    expect(last.status).toBe(200);
    last = await send();
  }
  expect(last).toMatchObject({
    status: 429,
    body: {
      error: {
        code: 'OperationNotAllowed',
        details: [{ code: 'TooManyRequests', target: 'UpdateVMScaleSet' }],
      },
    },
  });
  const waitSeconds = Number(last.headers.get('retry-after'));
  expect(waitSeconds).toBeGreaterThan(0);
  expect(waitSeconds).toBeLessThanOrEqual(15);
  expect(bench.emulator.state().throttled).toBe(1);
  bench.skip(60_000);
  expect((await send()).status).toBe(200);
});

test('a request about many machines is charged for each of them', async () => {
  bench = await startArmBench({ throttling: true });
  await patch(3);
  const reply = await rawRequest(bench, setPath(bench, '/reimage?api-version=2026-04-01'), {
    method: 'POST',
    body: { instanceIds: ['0', '1', '2'] },
  });
  expect(reply.headers.get('x-ms-request-charge')).toBe('3');
  expect(reply.headers.get('x-ms-ratelimit-remaining-resource')).toContain('VMScaleSetBatchedVMRequests;37');
});

test('sizes are listed with what they can, and one that is not sold here is refused', async () => {
  bench = await startArmBench({ restrictedSizes: ['Standard_D4ds_v5'] });
  const skus = await Array.fromAsync(bench.compute.resourceSkus.list({ filter: "location eq 'westeurope'" }));
  const restricted = skus.find((sku) => sku.name === 'Standard_D4ds_v5');
  expect(restricted?.restrictions).toHaveLength(1);
  expect(restricted?.capabilities).toContainEqual({ name: 'vCPUs', value: '4' });
  const sold = bench.compute.virtualMachineScaleSets.update(
    GROUP,
    SET,
    { sku: { name: 'Standard_D4ds_v5', capacity: 1 } },
    FAST,
  );
  expect(await refusalOf(sold)).toMatchObject({ status: 409, code: 'SkuNotAvailable' });
});

test('a set holds no more than a thousand machines, and a hundred in a single placement group', async () => {
  bench = await startArmBench();
  expect(await refusalOf(patch(1001))).toMatchObject({ status: 400, code: 'InvalidParameter' });
  await bench.close();
  const single = { name: SET, vmSize: 'Standard_D2s_v5', singlePlacementGroup: true };
  bench = await startArmBench({ scaleSets: [single] });
  expect(await refusalOf(patch(101))).toMatchObject({ status: 400, code: 'InvalidParameter' });
});
