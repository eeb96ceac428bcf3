import { afterAll, beforeAll, expect, test } from 'vitest';
import { aPool, startFleet, type Fleet } from './fleet-server.ts';

const HOUR_MS = 3_600_000;
const guests = aPool({ maxMachineHoursPerDay: 1000 });

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests, aPool({ name: 'spare' }));
});
afterAll(() => fleet.close());

const get = async (path: string) => (await fleet.send('ann', `GET ${path}`)).body;

test('pools and fleet tell the machine-hours of today, their limits and since when these are reached', async () => {
  await fleet.addReadyMachine(guests);
  const pool = await get('/v1/pools/guests');
  expect(pool.machineHours).toMatchObject({ today: expect.any(Number), maxPerDay: 1000, reachedAt: null });
  expect((await get('/v1/pools/spare')).machineHours).toEqual({ today: 0, maxPerDay: null, reachedAt: null });
  const whole = await get('/v1/machine-hours');
  expect(whole).toMatchObject({ maxPerDay: null, reachedAt: null });
  expect(whole.resetsAt).toMatch(/T00:00:00\.000Z$/);
  expect(Date.parse(whole.resetsAt) - Date.now()).toBeGreaterThan(0);
  expect(Date.parse(whole.resetsAt) - Date.now()).toBeLessThanOrEqual(24 * HOUR_MS);
});

test('a limit that is reached is shown wherever its pool is', async () => {
  await fleet.addReadyMachine(guests);
  await fleet.store.limitMachineHours({ maxPerDay: 1e-9 });
  const now = new Date();
  await fleet.store.noteMachineHours({ now, by: 'a test' });
  const told = { maxPerDay: 1e-9, reachedAt: now.toISOString() };
  expect(await get('/v1/machine-hours')).toMatchObject(told);
  expect((await get('/v1/status')).machineHours).toMatchObject(told);
  expect((await get('/v1/status')).pools[0].machineHours).toMatchObject({ maxPerDay: 1000 });
});
