import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient, type Client } from '../../src/client/client.ts';
import { aPool, startFleet, TOKENS, type Fleet } from './fleet-server.ts';

const guests = aPool();
let fleet: Fleet;
let client: Client;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
  client = createClient({ url: fleet.url, token: TOKENS.ann });
});
afterAll(() => fleet.close());

test('a lease goes its whole way through the client', async () => {
  const requested = await client.requestLease({ pool: 'guests', heartbeatTimeoutSeconds: 30 });
  const waiting = client.waitForLease(requested.id, { timeoutMs: 20_000 });
  const machine = await fleet.addReadyMachine(guests);
  await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
  expect(await waiting).toMatchObject({ state: 'active', machine: machine.id, address: '10.0.0.7' });
  expect((await client.heartbeat(requested.id)).state).toBe('active');
  expect(await client.complete(requested.id, 'failed')).toMatchObject({ state: 'ending', outcome: 'failed' });
  await expect(client.heartbeat(requested.id)).rejects.toMatchObject({
    code: 'lease_ended',
    status: 409,
    outcome: 'failed',
  });
  expect((await client.lease(requested.id)).outcome).toBe('failed');
});

test('what the client reads has the shape it promises', async () => {
  const { id } = await client.requestLease({ platform: 'windows', tags: ['office'], priority: 1 });
  expect((await client.cancel(id)).state).toBe('cancelled');
  const machine = await fleet.addReadyMachine(guests);
  expect((await client.pool('guests')).machines['ready']).toBe(1);
  expect((await client.pools()).map((pool) => pool.name)).toEqual(['guests']);
  expect((await client.machines({ pool: 'guests', state: 'ready' })).machines[0]?.id).toBe(machine.id);
  expect((await client.machine(machine.id)).timeline.length).toBeGreaterThan(2);
  expect((await client.leases({ state: 'cancelled', limit: 1 })).leases[0]?.id).toBe(id);
  const status = await client.status();
  expect(status.machineCounts['ready']).toBe(1);
  expect(status.leases.map((lease) => lease.id)).toContain(id);
});

test('refusals keep the fleet’s own words', async () => {
  await expect(client.requestLease({ pool: 'gusts' })).rejects.toMatchObject({
    code: 'unknown_pool',
    status: 422,
    hint: 'Known there: guests.',
  });
  const stranger = createClient({ url: fleet.url, token: 'wrong' });
  await expect(stranger.pools()).rejects.toMatchObject({ code: 'unauthorized', status: 401 });
});
