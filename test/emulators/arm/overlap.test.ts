import { afterEach, expect, test } from 'vitest';

import {
  AGES_MS,
  effectsOf,
  eventually,
  FAST,
  GROUP,
  rawRequest,
  SET,
  setPath,
  startArmBench,
} from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

let bench: ArmBench;

afterEach(() => bench.close());

const status = async (url: string): Promise<unknown> => {
  const { body } = await rawRequest(bench, url);
  return body.error?.code ?? body['status'];
};

/** Sends a write and answers its status URL at once. */
const send = async (action: string, body: unknown): Promise<string> => {
  const method = action === '' ? 'PATCH' : 'POST';
  const reply = await rawRequest(bench, setPath(bench, `${action}?api-version=2026-04-01`), { method, body });
  expect(reply.status).toBe(action === '' ? 200 : 202);
  return reply.headers.get('azure-asyncoperation') ?? '';
};

test('the newest write preempts the one before it and takes over its job', async () => {
  bench = await startArmBench({ durationsMs: { scaleOut: 500_000 }, preemptionLoss: 0 });
  const older = await send('', { sku: { capacity: 2 } });
  const newer = await send('', { sku: { capacity: 3 } });
  expect(await status(older)).toBe('OperationPreempted');
  expect(await status(newer)).toBe('InProgress');
  await eventually(() => ['0', '1', '2'].every((id) => effectsOf(bench, id).includes('running')));
  expect(await status(newer)).toBe('Succeeded');
  expect(bench.aliveIds()).toEqual(['0', '1', '2']);
});

test('part of what a preempted deletion had to do can get lost: the machine stays and counts again', async () => {
  bench = await startArmBench({ durationsMs: { deleteInstances: 500_000 }, preemptionLoss: 1 });
  await bench.scaleTo(2);
  const lost = await send('/delete', { instanceIds: ['0'] });
  const newer = await send('/reimage', { instanceIds: ['1'] });
  expect(await status(lost)).toBe('OperationPreempted');
  await eventually(() => effectsOf(bench, '1').includes('reset'));
  expect(await status(newer)).toBe('Succeeded');
  expect(bench.aliveIds()).toEqual(['0', '1']);
  expect((await bench.compute.virtualMachineScaleSets.get(GROUP, SET)).sku?.capacity).toBe(2);
});

test('after three preemptions in a row the next write waits until the set is free', async () => {
  bench = await startArmBench({
    durationsMs: { deleteInstances: 600_000, reimage: 300_000 },
    preemptionLoss: 0,
  });
  await bench.scaleTo(5);
  const writes: string[] = [];
  for (const id of ['0', '1', '2', '3']) writes.push(await send('/delete', { instanceIds: [id] }));
  const waiting = await send('/reimage', { instanceIds: ['4'] });
  const codes = await Promise.all(writes.map(status));
  expect(codes).toEqual(['OperationPreempted', 'OperationPreempted', 'OperationPreempted', 'InProgress']);
  await eventually(() => bench.aliveIds().length === 1);
  expect(effectsOf(bench, '4')).not.toContain('reset');
  expect(await status(waiting)).toBe('InProgress');
  await eventually(() => effectsOf(bench, '4').includes('reset'));
  expect(await status(waiting)).toBe('Succeeded');
});

test('the power of machines is switched beside other writes without preempting them', async () => {
  bench = await startArmBench({ durationsMs: { deleteInstances: AGES_MS } });
  await bench.scaleTo(2);
  const deletion = await send('/delete', { instanceIds: ['0'] });
  await bench.compute.virtualMachineScaleSets.powerOff(GROUP, SET, {
    vmInstanceIDs: { instanceIds: ['1'] },
    ...FAST,
  });
  expect(await status(deletion)).toBe('InProgress');
  expect(effectsOf(bench, '1')).toContain('stopped');
});

test('with preemption switched off overlapping writes go on side by side', async () => {
  bench = await startArmBench({ durationsMs: { deleteInstances: 400_000 }, preemption: false });
  await bench.scaleTo(2);
  const one = await send('/delete', { instanceIds: ['0'] });
  const other = await send('/delete', { instanceIds: ['1'] });
  await eventually(() => bench.aliveIds().length === 0);
  expect([await status(one), await status(other)]).toEqual(['Succeeded', 'Succeeded']);
});
