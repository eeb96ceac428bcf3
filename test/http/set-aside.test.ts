import { afterAll, beforeAll, expect, test } from 'vitest';
import { aPool, startFleet, type Fleet } from './fleet-server.ts';
import { addRefusedMachine, addRetiredMachine, joinDeletion } from './refused-machine.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const now = new Date();
const failure = 'has a lock on it';
const ids = (body: { machines: { id: string }[] }) => body.machines.map(({ id }) => id);

test('a machine that cannot be deleted is shown with since when, how often, why and until when', async () => {
  const other = await addRetiredMachine(fleet, guests);
  const { id } = await addRefusedMachine(fleet, guests, { failure, now });
  const { body } = await fleet.send('ann', `GET /v1/machines/${id}`);
  const nextTryAt = new Date(now.getTime() + 1000).toISOString();
  const setAside = { since: now.toISOString(), refusals: 1, reason: failure, nextTryAt };
  expect(body).toMatchObject({ state: 'deleting', setAside });
  expect((await fleet.send('ann', `GET /v1/machines/${other.id}`)).body.setAside).toBeNull();

  expect(ids((await fleet.send('ann', 'GET /v1/machines?setAside=true')).body)).toEqual([id]);
  expect(ids((await fleet.send('ann', 'GET /v1/machines?setAside=false')).body)).toEqual([other.id]);
  const status = await fleet.send('ann', 'GET /v1/status');
  expect(status.body.setAside).toMatchObject([{ id, setAside }]);
});

test('while its deletion is tried again there is no next try to wait for', async () => {
  const { id } = await addRefusedMachine(fleet, guests, { failure, now });
  await joinDeletion(fleet, guests, { machine: id, now: new Date(now.getTime() + 1000) });
  const { body } = await fleet.send('ann', `GET /v1/machines/${id}`);
  expect(body.setAside).toMatchObject({ refusals: 1, nextTryAt: null });
});

test('the status tells what is frozen', async () => {
  const frozen = async () => (await fleet.send('ann', 'GET /v1/status')).body.freezes;
  expect(await frozen()).toEqual([]);
  const body = { verbs: ['delete'], frozen: true };
  await fleet.send('operator', 'POST /v1/freezes', { body });
  expect(await frozen()).toEqual([{ verb: 'delete', by: 'api:operator', since: expect.any(String) }]);
});
