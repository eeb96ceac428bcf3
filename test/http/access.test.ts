import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthentication } from '../../src/http/authentication.ts';
import { createSessions } from '../../src/http/sessions.ts';
import { aPool, startFleet, TOKENS, type Fleet } from './fleet-server.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests, aPool({ name: 'spare', minIdle: 1, maxUses: 5 }));
});
afterAll(() => fleet.close());

const PROTECTED = [
  ['POST', '/v1/leases'],
  ['GET', '/v1/leases'],
  ['GET', '/v1/leases/x'],
  ['POST', '/v1/leases/x/heartbeat'],
  ['POST', '/v1/leases/x/complete'],
  ['POST', '/v1/leases/x/cancel'],
  ['POST', '/v1/leases/x/lost'],
  ['GET', '/v1/pools'],
  ['GET', '/v1/pools/guests'],
  ['GET', '/v1/machines'],
  ['GET', '/v1/machines/x'],
  ['GET', '/v1/status'],
  ['GET', '/metrics'],
  ['GET', '/'],
  ['GET', '/nothing-here'],
] as const;

test.each(PROTECTED)('%s %s needs a token', async (method, path) => {
  for (const authorization of ['', 'Bearer ', 'Bearer wrong', `Basic ${TOKENS.ann}`, TOKENS.ann]) {
    const reply = await fleet.send(null, `${method} ${path}`, { headers: { authorization } });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).toContain('Bearer');
    expect(reply.body.error).toMatchObject({ code: 'unauthorized', hint: expect.any(String) });
  }
});

test('tokens are given as hashes, and one that is not is refused at the start', () => {
  const sessions = createSessions({ clock: { now: () => new Date() }, ttlMs: 1000 });
  const tokens = [{ owner: 'ann', sha256: TOKENS.ann }];
  expect(() => createAuthentication({ tokens, sessions })).toThrow(/ann .*SHA-256/);
});

test('a path that does not exist is answered in the shape of every error', async () => {
  const reply = await fleet.send('ann', 'GET /v1/nothing?secret=1');
  expect([reply.status, reply.body.error.code]).toEqual([404, 'no_such_route']);
  expect((await fleet.send('ann', 'DELETE /v1/pools')).status).toBe(404);
  expect((await fleet.send('ann', 'GET /v1/%zz')).body.error).toMatchObject({ hint: expect.any(String) });
});

test('what is no HTTP is answered and its connection closed', async () => {
  const { port, hostname } = new URL(fleet.url);
  const socket = connect(Number(port), hostname);
  socket.write('nonsense\r\n\r\n');
  let text = '';
  socket.on('data', (data) => void (text += data.toString()));
  await once(socket, 'close');
  expect(text).toContain('400 Bad Request');
  expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({ error: { code: 'invalid_request' } });
});

test('neither tokens nor queries nor idempotency keys are logged', async () => {
  const headers = { 'idempotency-key': 'a-private-key' };
  await fleet.send('ann', 'POST /v1/leases?waitSeconds=0', { body: { pool: 'guests' }, headers });
  await fleet.send(null, 'GET /v1/leases?token=a-secret', { headers: { authorization: 'Bearer stolen' } });
  const log = fleet.logged.join('\n');
  expect(log).toContain('"owner":"ann"');
  for (const secret of [TOKENS.ann, 'a-private-key', 'a-secret', 'stolen', 'waitSeconds']) {
    expect(log).not.toContain(secret);
  }
});

test('the description of the API is open, complete and made of the schemas that are enforced', async () => {
  const { status, body } = await fleet.send(null, 'GET /openapi.json');
  expect(status).toBe(200);
  expect(body.openapi).toBe('3.1.0');
  const described = Object.keys(body.paths).toSorted();
  expect(described).toEqual([
    '/healthz',
    '/metrics',
    '/readyz',
    '/v1/freezes',
    '/v1/leases',
    '/v1/leases/{id}',
    '/v1/leases/{id}/cancel',
    '/v1/leases/{id}/complete',
    '/v1/leases/{id}/heartbeat',
    '/v1/leases/{id}/lost',
    '/v1/machine-hours',
    '/v1/machines',
    '/v1/machines/{id}',
    '/v1/pools',
    '/v1/pools/{name}',
    '/v1/pools/{name}/placements/{placement}/confirm-sweep',
    '/v1/status',
  ]);
  const { post } = body.paths['/v1/leases'];
  const schema = post.requestBody.content['application/json'].schema;
  expect(schema.additionalProperties).toBe(false);
  expect(Object.keys(schema.properties)).toContain('waitTimeoutSeconds');
  expect(Object.keys(post.responses).toSorted()).toEqual(['200', '201', 'default']);
  expect(body.security).toEqual([{ token: [] }]);
  expect(body.paths['/healthz'].get.security).toEqual([]);
});

test('pools tell what they are and hold, but not what guests are started with', async () => {
  await fleet.addReadyMachine(guests);
  const { body } = await fleet.send('bob', 'GET /v1/pools');
  expect(body.pools.map((pool: { name: string }) => pool.name)).toEqual(['guests', 'spare']);
  const [first, spare] = body.pools;
  expect(first).toMatchObject({ platform: 'windows', max: 50, idleTimeoutSeconds: 600, maxUses: null });
  expect(first.machines).toMatchObject({ ready: expect.any(Number), deleting: 0 });
  expect(first.placements).toEqual([{ name: 'here', provider: 'memory' }]);
  expect(spare).toMatchObject({ minIdle: 1, maxUses: 5 });
  expect((await fleet.send('bob', 'GET /v1/pools/spare')).body).toEqual(spare);
  expect(JSON.stringify(body)).not.toContain('not for everybody');
});

test('a pool that does not exist is answered with those that do', async () => {
  const reply = await fleet.send('bob', 'GET /v1/pools/spares');
  expect([reply.status, reply.body.error.code]).toEqual([404, 'unknown_pool']);
  expect(reply.body.error.hint).toContain('guests, spare');
});

test('machines are listed by pool and state, and one tells its whole story', async () => {
  const machine = await fleet.addReadyMachine(guests);
  const listed = await fleet.send('bob', 'GET /v1/machines?pool=guests&state=ready&limit=200');
  expect(listed.body.machines.map((each: { id: string }) => each.id)).toContain(machine.id);
  expect((await fleet.send('bob', 'GET /v1/machines?pool=spare')).body).toEqual({
    machines: [],
    next: null,
  });
  const { body } = await fleet.send('bob', `GET /v1/machines/${machine.id}`);
  expect(body).toMatchObject({ id: machine.id, state: 'ready', clean: true, intent: null, owed: null });
  const moves = body.timeline.map((entry: { from: string | null; to: string }) => [entry.from, entry.to]);
  expect(moves.at(0)).toEqual([null, 'requested']);
  expect(moves.at(-1)).toEqual(['booting', 'ready']);
});

test('a machine that does not exist is told so', async () => {
  for (const id of ['7', '00000000-0000-4000-8000-000000000000']) {
    const reply = await fleet.send('bob', `GET /v1/machines/${id}`);
    expect([reply.status, reply.body.error.code]).toEqual([404, 'no_such_machine']);
  }
});

test('the status counts all and shows leases to whom they concern', async () => {
  await fleet.send('ann', 'POST /v1/leases', { body: { pool: 'spare' } });
  const anns = await fleet.send('ann', 'GET /v1/status');
  const bobs = await fleet.send('bob', 'GET /v1/status');
  const operators = await fleet.send('operator', 'GET /v1/status');
  expect(anns.body).toMatchObject({ version: '0.0.0-test', now: expect.any(String) });
  expect(anns.body.leaseCounts.pending).toBeGreaterThan(0);
  expect(anns.body.machineCounts.ready + anns.body.machineCounts.leased).toBe(anns.body.machines.length);
  expect(anns.body.leases.length).toBeGreaterThan(0);
  expect(bobs.body.leases).toEqual([]);
  expect(operators.body.leases).toEqual(anns.body.leases);
});

test('Redis away is told by readiness alone', async () => {
  const checks = { store: async () => undefined, redis: () => Promise.reject(new Error('refused')) };
  const other = await startFleet({ checks });
  try {
    const reply = await other.send(null, 'GET /readyz');
    expect([reply.status, reply.body]).toEqual([503, { ready: false, store: 'ok', redis: 'away' }]);
    expect((await other.send('ann', 'GET /v1/pools')).status).toBe(200);
  } finally {
    await other.close();
  }
});
