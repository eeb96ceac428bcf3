import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { LeaseWaits } from '../../src/http/lease-wait.ts';
import { aPool, startFleet, TOKENS, type Fleet, type Reply } from './fleet-server.ts';

const guests = aPool();

/** Notifications that never come. */
const deaf: LeaseWaits = {
  until: (_lease, _deadline, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
};
const broken: LeaseWaits = {
  until: async () => {
    throw new Error('the listening connection is gone');
  },
};

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const others: Fleet[] = [];
afterEach(async () => {
  for (const other of others.splice(0)) await other.close();
});
async function another(options: Parameters<typeof startFleet>[0]): Promise<Fleet> {
  const other = await startFleet(options);
  others.push(other);
  await other.addPools(guests);
  return other;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it never happened');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const body = { pool: 'guests' };

interface Timed {
  reply: Reply;
  ms: number;
}

/** A long poll that has certainly begun: the server has looked at its lease once. */
async function startWaiting(where: Fleet, path: string): Promise<{ answer: Promise<Timed> }> {
  const before = where.reads();
  const from = performance.now();
  const answer = where.send('ann', `GET ${path}`).then((reply) => ({ reply, ms: performance.now() - from }));
  // One look for the owner's sake and one by the wait itself.
  await until(() => where.reads() >= before + 2);
  return { answer };
}

async function serveNext(where: Fleet): Promise<void> {
  await where.addReadyMachine(guests);
  await where.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
}

test('a waiting request is answered when its machine comes, long before the next poll', async () => {
  const slow = await another({ settings: { pollMs: 30_000 } });
  const { body: lease } = await slow.send('ann', 'POST /v1/leases', { body });
  const waiting = await startWaiting(slow, `/v1/leases/${lease.id}?waitSeconds=25`);
  await serveNext(slow);
  const { reply, ms } = await waiting.answer;
  expect(reply.body).toMatchObject({ state: 'active', address: '10.0.0.7' });
  expect(ms).toBeLessThan(10_000);
});

test('a request may wait in the same call that makes it', async () => {
  const before = fleet.reads();
  const answer = fleet.send('ann', 'POST /v1/leases?waitSeconds=25', { body });
  await until(() => fleet.reads() >= before + 2);
  await serveNext(fleet);
  const reply = await answer;
  expect([reply.status, reply.body.state]).toEqual([201, 'active']);
});

test('a wait ends when its lease is cancelled by somebody else', async () => {
  const { body: lease } = await fleet.send('ann', 'POST /v1/leases', { body });
  const waiting = await startWaiting(fleet, `/v1/leases/${lease.id}?waitSeconds=25`);
  await fleet.send('operator', `POST /v1/leases/${lease.id}/cancel`);
  expect((await waiting.answer).reply.body.state).toBe('cancelled');
});

test.each([
  ['never come', deaf],
  ['cannot be heard', broken],
])('where notifications %s, a change is seen by the next poll', async (_how, waits) => {
  const other = await another({ waits, settings: { pollMs: 200 } });
  const { body: lease } = await other.send('ann', 'POST /v1/leases', { body });
  const waiting = await startWaiting(other, `/v1/leases/${lease.id}?waitSeconds=25`);
  await serveNext(other);
  const { reply, ms } = await waiting.answer;
  expect(reply.body.state).toBe('active');
  expect(ms).toBeLessThan(10_000);
});

test('a wait without a change answers with the lease as it is, no earlier than asked for', async () => {
  const { body: lease } = await fleet.send('ann', 'POST /v1/leases', { body });
  const { answer } = await startWaiting(fleet, `/v1/leases/${lease.id}?waitSeconds=1.5`);
  const { reply, ms } = await answer;
  expect([reply.status, reply.body.state]).toEqual([200, 'pending']);
  expect(ms).toBeGreaterThanOrEqual(1500);
});

test('notifications that mean nothing do not turn a wait into a busy loop', async () => {
  const chatty: LeaseWaits = { until: async () => undefined };
  const other = await another({ waits: chatty });
  const { body: lease } = await other.send('ann', 'POST /v1/leases', { body });
  const before = other.reads();
  const from = performance.now();
  await other.send('ann', `GET /v1/leases/${lease.id}?waitSeconds=1`);
  expect(performance.now() - from).toBeGreaterThanOrEqual(1000);
  expect(other.reads() - before).toBeLessThan(30);
});

test('a wait longer than a minute is refused', async () => {
  const { body: lease } = await fleet.send('ann', 'POST /v1/leases', { body });
  const reply = await fleet.send('ann', `GET /v1/leases/${lease.id}?waitSeconds=61`);
  expect(reply.body.error).toMatchObject({ field: 'waitSeconds', rule: 'maximum' });
});

test('a client that goes away ends its wait', async () => {
  const signals: AbortSignal[] = [];
  const watched: LeaseWaits = {
    until: (lease, deadline, signal) => {
      signals.push(signal);
      return deaf.until(lease, deadline, signal);
    },
  };
  const other = await another({ waits: watched, settings: { pollMs: 30_000 } });
  const gone = new AbortController();
  const headers = { authorization: `Bearer ${TOKENS.ann}`, 'content-type': 'application/json' };
  const act = { method: 'POST', headers, body: JSON.stringify(body), signal: gone.signal };
  const answer = fetch(`${other.url}/v1/leases?waitSeconds=60`, act);
  await until(() => signals.length > 0);
  expect(signals.map((signal) => signal.aborted)).toEqual([false]);
  gone.abort();
  await expect(answer).rejects.toThrow(/abort/);
  await until(() => signals.every((signal) => signal.aborted));
});

test('a stop answers waiting clients at once with their lease as it is, and takes no more', async () => {
  const other = await another({ settings: { pollMs: 30_000 } });
  const { body: lease } = await other.send('ann', 'POST /v1/leases', { body });
  const waiting = await startWaiting(other, `/v1/leases/${lease.id}?waitSeconds=60`);
  const from = performance.now();
  await other.server.stop();
  const { reply } = await waiting.answer;
  expect(performance.now() - from).toBeLessThan(5000);
  expect([reply.status, reply.body.state]).toEqual([200, 'pending']);
  await expect(other.send('ann', 'GET /healthz')).rejects.toThrow(/fetch failed/);
  await other.server.stop();
});
