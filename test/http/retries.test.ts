import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aPool, startFleet, type Fleet } from './fleet-server.ts';

const guests = aPool();

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const request = (body: unknown, headers: Record<string, string> = {}) =>
  fleet.send('ann', 'POST /v1/leases', { body, headers });
const read = async (id: string) => (await fleet.send('ann', `GET /v1/leases/${id}`)).body;

/** What a sweep does once it has missed the machine's instance for good. */
async function lose(machine: string): Promise<void> {
  const act = { machine, by: 'test', now: new Date(), deadlines: guests.deadlines };
  await fleet.store.openIntent({ ...act, kind: 'retire', reason: 'its instance is gone', outcome: 'lost' });
}

describe('what follows where a machine is lost', () => {
  test.each([
    [{}, { onLost: 'fail', maxRetries: 0 }],
    [{ onLost: 'fail' }, { onLost: 'fail', maxRetries: 0 }],
    [{ onLost: 'retry' }, { onLost: 'retry', maxRetries: 3 }],
    [
      { onLost: 'retry', maxRetries: 10 },
      { onLost: 'retry', maxRetries: 10 },
    ],
  ])('is part of the request: %j', async (asked, told) => {
    const { status, body } = await request({ pool: 'guests', ...asked });
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...told, retries: 0, retryOf: null, retriedBy: null });
    await fleet.send('ann', `POST /v1/leases/${body.id}/cancel`);
  });

  test.each([
    [{ onLost: 'again' }, 'onLost', 'enum'],
    [{ onLost: true }, 'onLost', 'enum'],
    [{ onLost: 'retry', maxRetries: 0 }, 'maxRetries', 'minimum'],
    [{ onLost: 'retry', maxRetries: 11 }, 'maxRetries', 'maximum'],
    [{ onLost: 'retry', maxRetries: 1.5 }, 'maxRetries', 'type'],
    [{ onLost: 'retry', maxRetries: '2' }, 'maxRetries', 'type'],
  ])('is not valid as %j: %s breaks %s', async (asked, field, rule) => {
    const reply = await request({ pool: 'guests', ...asked });
    expect(reply.status).toBe(400);
    expect(reply.body.error).toMatchObject({
      ...{ code: 'invalid_request', field, rule, hint: expect.any(String) },
    });
  });

  test.each([{ maxRetries: 2 }, { onLost: 'fail', maxRetries: 2 }])(
    'is refused as %j, which limits retries that nobody asked for',
    async (asked) => {
      const reply = await request({ pool: 'guests', ...asked });
      expect(reply.status).toBe(422);
      expect(reply.body.error).toMatchObject({
        ...{ code: 'retries_nothing', field: 'maxRetries', rule: 'needs-retry', hint: expect.any(String) },
      });
    },
  );

  test('is part of what a key stands for', async () => {
    const headers = { 'idempotency-key': 'retried' };
    const first = await request({ pool: 'guests', onLost: 'retry' }, headers);
    expect((await request({ pool: 'guests', onLost: 'retry' }, headers)).body.id).toBe(first.body.id);
    expect((await request({ pool: 'guests' }, headers)).status).toBe(409);
    await fleet.send('ann', `POST /v1/leases/${first.body.id}/cancel`);
  });
});

describe('a lease whose machine is lost', () => {
  test('names the lease that takes its place, which its owner reads, waits for and ends like any other', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry', priority: 5 });
    await lose(first.machine);
    const over = await read(first.id);
    expect(over).toMatchObject({ state: 'ending', outcome: 'lost', reason: 'its instance is gone' });
    expect(await read(over.retriedBy)).toMatchObject({
      ...{ owner: 'ann', state: 'pending', priority: 5, onLost: 'retry', maxRetries: 3 },
      ...{ retries: 1, retryOf: first.id, retriedBy: null },
    });
    expect((await fleet.send('bob', `GET /v1/leases/${over.retriedBy}`)).status).toBe(404);

    const waiting = fleet.send('ann', `GET /v1/leases/${over.retriedBy}?waitSeconds=20`);
    const another = await fleet.addReadyMachine(guests);
    await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
    expect((await waiting).body).toMatchObject({ state: 'active', machine: another.id });
    const body = { outcome: 'completed' };
    const ended = await fleet.send('ann', `POST /v1/leases/${over.retriedBy}/complete`, { body });
    expect(ended.body).toMatchObject({ state: 'ending', outcome: 'completed' });
  });

  test('tells a late heartbeat which lease takes its place', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    await lose(first.machine);
    const { retriedBy } = await read(first.id);
    const late = await fleet.send('ann', `POST /v1/leases/${first.id}/heartbeat`);
    expect([late.status, late.body.error.outcome]).toEqual([409, 'lost']);
    expect(late.body.error.hint).toContain(`The lease ${retriedBy} takes its place.`);
    await fleet.send('ann', `POST /v1/leases/${retriedBy}/cancel`);
  });

  test('stands among its owner’s leases beside its successor', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    await lose(first.machine);
    const { retriedBy } = await read(first.id);
    const { body } = await fleet.send('ann', 'GET /v1/leases?limit=2');
    expect(body.leases).toMatchObject([
      { id: retriedBy, retryOf: first.id },
      { id: first.id, retriedBy },
    ]);
    await fleet.send('ann', `POST /v1/leases/${retriedBy}/cancel`);
  });

  test('is cancelled by cancelling what takes its place, however often it was lost', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    await lose(first.machine);
    const { retriedBy: second } = await read(first.id);
    await fleet.addReadyMachine(guests);
    await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
    await lose((await read(second)).machine);
    const { retriedBy: third } = await read(second);

    const cancel = () => fleet.send('ann', `POST /v1/leases/${first.id}/cancel`);
    expect((await fleet.send('bob', `POST /v1/leases/${first.id}/cancel`)).status).toBe(404);
    expect((await read(third)).state).toBe('pending');
    const cancelled = await cancel();
    expect([cancelled.status, cancelled.body]).toMatchObject([200, { id: third, state: 'cancelled' }]);
    expect((await cancel()).body).toEqual(cancelled.body);
    expect(await read(first.id)).toMatchObject({ outcome: 'lost', retriedBy: second });
  });

  test('is cancelled although what takes its place has a machine, which its user gives back', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    await lose(first.machine);
    const { id: machine } = await fleet.addReadyMachine(guests);
    await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
    const { retriedBy } = await read(first.id);
    expect(await read(retriedBy)).toMatchObject({ state: 'active', machine });
    const { body } = await fleet.send('ann', `POST /v1/leases/${first.id}/cancel`);
    expect(body).toMatchObject({ id: retriedBy, state: 'ending', outcome: 'cancelled', retriedBy: null });
    expect(await fleet.store.look(machine)).toMatchObject({ intentKind: 'recycle' });
  });

  test('is completed by nobody while another lease takes its place, and is as it was once that has ended', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    await lose(first.machine);
    const { retriedBy } = await read(first.id);
    const complete = (outcome: string) =>
      fleet.send('ann', `POST /v1/leases/${first.id}/complete`, { body: { outcome } });
    for (const outcome of ['completed', 'failed']) {
      const reply = await complete(outcome);
      const message = expect.stringContaining(`the lease ${retriedBy} (pending) takes its place`);
      expect(reply).toMatchObject({ status: 409, body: { error: { code: 'lease_retried', message } } });
    }
    expect((await read(retriedBy)).state).toBe('pending');
    await fleet.send('ann', `POST /v1/leases/${retriedBy}/cancel`);
    const late = await complete('completed');
    expect([late.status, late.body]).toMatchObject([200, { id: first.id, outcome: 'lost' }]);
  });

  test('is over where its user asked for no other', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests' });
    await lose(first.machine);
    expect(await read(first.id)).toMatchObject({ state: 'ending', outcome: 'lost', retriedBy: null });
    const late = await fleet.send('ann', `POST /v1/leases/${first.id}/heartbeat`);
    expect(late.body.error.hint).toContain('Request another lease.');
  });
});

describe('a user who hears that the cloud takes the machine away', () => {
  const tell = (who: 'ann' | 'bob' | 'operator', id: string) => fleet.send(who, `POST /v1/leases/${id}/lost`);

  test('tells so: the lease is lost at once, its successor waits, and telling it again changes nothing', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    const told = await tell('ann', first.id);
    expect(told.status).toBe(200);
    const reason = 'its user has heard that the cloud takes it away';
    expect(told.body).toMatchObject({ state: 'ending', outcome: 'lost', reason });
    expect(await fleet.store.look(first.machine)).toMatchObject({ intentKind: 'retire' });
    expect((await tell('ann', first.id)).body).toEqual(told.body);
    expect(await read(told.body.retriedBy)).toMatchObject({ state: 'pending', retryOf: first.id });
    await fleet.send('ann', `POST /v1/leases/${told.body.retriedBy}/cancel`);
  });

  test('has a successor served at once where a machine is ready', async () => {
    await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests', onLost: 'retry' });
    const other = await fleet.addReadyMachine(guests);
    const { body } = await tell('operator', first.id);
    expect(await read(body.retriedBy)).toMatchObject({ state: 'active', machine: other.id });
    await fleet.send('ann', `POST /v1/leases/${body.retriedBy}/cancel`);
  });

  test('changes nothing once the lease has ended', async () => {
    const { id: machine } = await fleet.addReadyMachine(guests);
    const { body: first } = await request({ pool: 'guests' });
    await fleet.send('ann', `POST /v1/leases/${first.id}/complete`, { body: { outcome: 'completed' } });
    expect((await tell('ann', first.id)).body).toMatchObject({ outcome: 'completed' });
    expect(await fleet.store.look(machine)).toMatchObject({ intentKind: 'recycle' });
  });

  test('is told what is wrong with a pending lease, and with somebody else’s', async () => {
    const { body: pending } = await request({ pool: 'guests' });
    const early = await tell('ann', pending.id);
    expect([early.status, early.body.error.code]).toEqual([409, 'lease_pending']);
    expect((await tell('bob', pending.id)).status).toBe(404);
    await fleet.send('ann', `POST /v1/leases/${pending.id}/cancel`);
  });
});
