import { afterEach, expect, test } from 'vitest';
import { createBreakableLine, type BreakableLine } from './breakable-line.ts';
import { aPool, startFleet, type Fleet, type FleetOptions } from './fleet-server.ts';

const guests = aPool();
const body = { pool: 'guests' };

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function open(options: FleetOptions = {}): Promise<Fleet> {
  const fleet = await startFleet(options);
  opened.push(fleet);
  await fleet.addPools(guests);
  return fleet;
}

async function openOverLine(options: FleetOptions = {}): Promise<{ fleet: Fleet; line: BreakableLine }> {
  let line: BreakableLine | undefined;
  const through = async (url: string) => {
    line = await createBreakableLine(url);
    return line.url;
  };
  const fleet = await open({ ...options, through });
  if (line === undefined) throw new Error('the storage was opened without its line');
  opened.push(line);
  return { fleet, line };
}

test('without its database every request is answered 503 and can be sent again once it is back', async () => {
  const { fleet, line } = await openOverLine();
  const headers = { 'idempotency-key': 'once' };
  line.cut();
  const refused = [
    await fleet.send('ann', 'POST /v1/leases', { body, headers }),
    await fleet.send('ann', 'GET /v1/leases'),
    await fleet.send('ann', 'GET /v1/pools'),
    await fleet.send('ann', 'GET /v1/status'),
    await fleet.send('ann', 'GET /v1/leases/00000000-0000-4000-8000-000000000000'),
  ];
  for (const reply of refused) {
    expect([reply.status, reply.body.error.code]).toEqual([503, 'unavailable']);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(reply.body.error.hint).toContain('again');
  }
  expect((await fleet.send(null, 'GET /healthz')).status).toBe(200);
  const ready = await fleet.send(null, 'GET /readyz');
  expect([ready.status, ready.body]).toEqual([503, { ready: false, store: 'away', redis: 'ok' }]);

  line.mend();
  const again = await fleet.send('ann', 'POST /v1/leases', { body, headers });
  expect(again.status).toBe(201);
  const { body: list } = await fleet.send('ann', 'GET /v1/leases');
  expect(list.leases.map((lease: { id: string }) => lease.id)).toEqual([again.body.id]);
  expect((await fleet.send(null, 'GET /readyz')).body).toEqual({ ready: true, store: 'ok', redis: 'ok' });
});

test('a database that does not answer holds up a request no longer than it may take', async () => {
  const { fleet, line } = await openOverLine({
    settings: { requestTimeoutMs: 300, readinessTimeoutMs: 100 },
  });
  line.freeze();
  const from = performance.now();
  const reply = await fleet.send('ann', 'GET /v1/pools');
  expect([reply.status, reply.body.error.code]).toEqual([503, 'unavailable']);
  expect((await fleet.send(null, 'GET /readyz')).body).toMatchObject({ ready: false, store: 'away' });
  expect(performance.now() - from).toBeLessThan(5000);
  line.mend();
});

test('a stop cuts off what does not end by itself', async () => {
  const settings = { requestTimeoutMs: 60_000, stopTimeoutMs: 200 };
  const { fleet, line } = await openOverLine({ settings });
  line.freeze();
  const hanging = fleet.send('ann', 'GET /v1/pools').catch((error: unknown) => error);
  await fleet.send(null, 'GET /healthz');
  const from = performance.now();
  await fleet.server.stop();
  expect(performance.now() - from).toBeLessThan(5000);
  expect(await hanging).toBeInstanceOf(Error);
  line.mend();
});

test('a stored request is acknowledged even where matching it fails', async () => {
  const wrapStore: FleetOptions['wrapStore'] = (store) => ({
    ...store,
    match: () => Promise.reject(new Error('the connection broke just now')),
  });
  const fleet = await open({ wrapStore });
  const reply = await fleet.send('ann', 'POST /v1/leases', { body });
  expect([reply.status, reply.body.state]).toEqual([201, 'pending']);
  expect((await fleet.send('ann', `GET /v1/leases/${reply.body.id}`)).body.id).toBe(reply.body.id);
  expect(fleet.logged.some((line) => line.includes('could not match it'))).toBe(true);
});

test.each([
  ['fails', () => Promise.reject(new Error('Redis is away'))],
  ['never comes back', () => new Promise<void>(() => undefined)],
])('a request is acknowledged even where ringing for growth %s', async (_how, scale) => {
  const fleet = await open({ scale });
  const reply = await fleet.send('ann', 'POST /v1/leases', { body });
  expect([reply.status, reply.body.state]).toEqual([201, 'pending']);
});

test('an error nobody expected is answered without its details, which are logged', async () => {
  const wrapStore: FleetOptions['wrapStore'] = (store) => ({
    ...store,
    pools: () => Promise.reject(new Error('secret detail')),
  });
  const fleet = await open({ wrapStore });
  const reply = await fleet.send('ann', 'GET /v1/pools');
  expect([reply.status, reply.body.error.code]).toEqual([500, 'internal']);
  expect(JSON.stringify(reply.body)).not.toContain('secret detail');
  expect(fleet.logged.some((line) => line.includes('secret detail'))).toBe(true);
});
