import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aPool, startFleet, type Fleet } from './fleet-server.ts';

const guests = aPool();
const runners = aPool({ name: 'runners', platform: 'linux', tags: ['ci', 'docker'] });
const leaving = aPool({ name: 'leaving', platform: 'darwin', draining: true });

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests, runners, leaving);
});
afterAll(() => fleet.close());

const request = (body: unknown, headers: Record<string, string> = {}) =>
  fleet.send('ann', 'POST /v1/leases', { body, headers });
const lease = async (body: object = { pool: 'guests' }) => (await request(body)).body;

/** Pending requests of one test would take the next one's machine. */
async function clearRequests() {
  const { body } = await fleet.send('operator', 'GET /v1/leases?state=pending&limit=200');
  for (const { id } of body.leases) await fleet.send('operator', `POST /v1/leases/${id}/cancel`);
}

describe('requesting', () => {
  test('a request without a free machine is pending, and its pool is looked at for growth', async () => {
    fleet.rung.length = 0;
    const reply = await request({ pool: 'guests', waitTimeoutSeconds: 60, priority: 3 });
    expect(reply.status).toBe(201);
    expect(reply.headers.get('location')).toBe(`/v1/leases/${reply.body.id}`);
    expect(reply.body).toMatchObject({
      owner: 'ann',
      state: 'pending',
      pools: ['guests'],
      pool: null,
      machine: null,
      address: null,
      priority: 3,
      heartbeatTimeoutSeconds: 120,
      maxDurationSeconds: 14_400,
    });
    const waits = Date.parse(reply.body.deadlineAt) - Date.parse(reply.body.requestedAt);
    expect(waits).toBe(60_000);
    expect(fleet.rung).toEqual(['scale guests']);
    await clearRequests();
  });

  test('a request is paired with a ready machine at once', async () => {
    const machine = await fleet.addReadyMachine(runners);
    const reply = await request({ platform: 'linux', tags: ['docker'] });
    expect(reply.body).toMatchObject({
      state: 'active',
      pool: 'runners',
      machine: machine.id,
      address: '10.0.0.7',
    });
  });

  test('the same key and body give the same lease again, and make no second one', async () => {
    const headers = { 'idempotency-key': 'one' };
    const first = await request({ pool: 'guests', tags: ['office'] }, headers);
    const second = await request({ tags: ['office'], pool: 'guests' }, headers);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body.id).toBe(first.body.id);
    const { body } = await fleet.send('ann', 'GET /v1/leases?state=pending');
    expect(body.leases.filter((each: { id: string }) => each.id === first.body.id)).toHaveLength(1);
    await clearRequests();
  });

  test('fifty requests at once under one key make one lease', async () => {
    const headers = { 'idempotency-key': 'storm' };
    const replies = await Promise.all(Array.from({ length: 50 }, () => request({ pool: 'guests' }, headers)));
    expect(new Set(replies.map((reply) => reply.body.id)).size).toBe(1);
    expect(replies.filter((reply) => reply.status === 201)).toHaveLength(1);
    await clearRequests();
  });

  test('a key used again for another request is a conflict', async () => {
    const headers = { 'idempotency-key': 'two' };
    await request({ pool: 'guests' }, headers);
    const reply = await request({ pool: 'guests', priority: 1 }, headers);
    expect(reply.status).toBe(409);
    expect(reply.body.error).toMatchObject({ code: 'idempotency_conflict', hint: expect.any(String) });
    await clearRequests();
  });

  test('two owners may use the same key', async () => {
    const headers = { 'idempotency-key': 'three' };
    const mine = await request({ pool: 'guests' }, headers);
    const theirs = await fleet.send('bob', 'POST /v1/leases', { body: { pool: 'guests' }, headers });
    expect(theirs.status).toBe(201);
    expect(theirs.body.id).not.toBe(mine.body.id);
    await clearRequests();
  });

  test('a repeated request is answered even where its pool has gone since', async () => {
    const passing = aPool({ name: 'passing', platform: 'beos' });
    await fleet.addPools(guests, runners, leaving, passing);
    const headers = { 'idempotency-key': 'four' };
    const first = await request({ pool: 'passing' }, headers);
    await fleet.addPools(guests, runners, leaving);
    const again = await request({ pool: 'passing' }, headers);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect((await request({ pool: 'passing' })).body.error.code).toBe('pool_draining');
    expect((await request({ pool: 'guests' }, headers)).status).toBe(409);
    await clearRequests();
  });

  test.each([
    [{ pool: 'gusts' }, 'unknown_pool', 'pool', 'guests, runners'],
    [{ pool: 'leaving' }, 'pool_draining', 'pool', 'guests, runners'],
    [{ pool: 'guests', platform: 'linux' }, 'no_pool_fits', 'platform', 'windows'],
    [{ platform: 'plan9' }, 'no_pool_fits', 'platform', 'linux, windows'],
    [{ platform: 'linux', arch: 'x86' }, 'no_pool_fits', 'arch', 'x64'],
    [{ platform: 'linux', tags: ['docker', 'gpu'] }, 'no_pool_fits', 'tags', 'ci, docker'],
    [{ tags: ['office', 'docker'] }, 'no_pool_fits', 'tags', 'ci, docker, office'],
  ])('%j is refused at once as %s, naming %s and what is known', async (...[body, code, field, known]) => {
    const reply = await request(body);
    expect(reply.status).toBe(422);
    expect(reply.body.error).toMatchObject({ code, field });
    expect(reply.body.error.hint).toContain(known);
  });

  test('a 32-bit request is served by 64-bit Windows', async () => {
    expect((await request({ platform: 'windows', arch: 'x86' })).body.pools).toEqual(['guests']);
    await clearRequests();
  });

  test.each([
    [{ pool: 'guests', colour: 'red' }, 'colour', 'additionalProperties'],
    [{ pool: 'guests', priority: '3' }, 'priority', 'type'],
    [{ pool: 7 }, 'pool', 'type'],
    [{ pool: 'gue\u0000sts' }, 'pool', 'pattern'],
    [{ pool: '' }, 'pool', 'minLength'],
    [{ pool: 'guests', waitTimeoutSeconds: 0 }, 'waitTimeoutSeconds', 'minimum'],
    [{ pool: 'guests', tags: ['a', 'a'] }, 'tags', 'uniqueItems'],
    [{ pool: 'guests', tags: ['a', 2] }, 'tags/1', 'type'],
  ])('%j is not valid: %s breaks %s', async (body, field, rule) => {
    const reply = await request(body);
    expect(reply.status).toBe(400);
    expect(reply.body.error).toMatchObject({
      code: 'invalid_request',
      field,
      rule,
      hint: expect.any(String),
    });
  });

  test('a request that asks for nothing is refused', async () => {
    expect((await request({})).body.error.code).toBe('asks_for_nothing');
    expect((await request({ tags: [] })).status).toBe(422);
  });

  test('a body that is no JSON, none at all, or too large is refused in the same shape', async () => {
    const wrong = await request('{"pool":');
    expect([wrong.status, wrong.body.error.code]).toEqual([400, 'invalid_json']);
    const none = await fleet.send('ann', 'POST /v1/leases');
    expect([none.status, none.body.error.code]).toEqual([400, 'invalid_request']);
    const form = await request('pool=guests', { 'content-type': 'text/plain' });
    expect([form.status, form.body.error.code]).toEqual([415, 'unsupported_media_type']);
    const large = await request({ pool: 'x'.repeat(70_000) });
    expect([large.status, large.body.error.code]).toEqual([413, 'body_too_large']);
  });
});

describe('one lease', () => {
  test('is read by its owner and by an operator; to others it does not exist', async () => {
    const { id } = await lease();
    const path = `/v1/leases/${id}`;
    expect((await fleet.send('ann', `GET ${path}`)).body.id).toBe(id);
    expect((await fleet.send('operator', `GET ${path}`)).body.id).toBe(id);
    const body = { outcome: 'completed' };
    const foreign = [
      await fleet.send('bob', `GET ${path}`),
      await fleet.send('bob', `POST ${path}/heartbeat`),
      await fleet.send('bob', `POST ${path}/complete`, { body }),
      await fleet.send('bob', `POST ${path}/cancel`),
    ];
    for (const reply of foreign)
      expect([reply.status, reply.body.error.code]).toEqual([404, 'no_such_lease']);
    expect((await fleet.send('ann', `GET ${path}`)).body.state).toBe('pending');
    await clearRequests();
  });

  test('with an id that is none of ours does not exist', async () => {
    for (const id of ['7', 'null', "1'--", '00000000-0000-4000-8000-000000000000']) {
      const reply = await fleet.send('ann', `GET /v1/leases/${encodeURIComponent(id)}`);
      expect([reply.status, reply.body.error.code]).toEqual([404, 'no_such_lease']);
    }
  });

  test('that is pending takes no heartbeat and cannot be completed, but is cancelled', async () => {
    const { id } = await lease();
    const body = { outcome: 'completed' };
    const beat = await fleet.send('ann', `POST /v1/leases/${id}/heartbeat`);
    const done = await fleet.send('ann', `POST /v1/leases/${id}/complete`, { body });
    expect([beat.status, beat.body.error.code]).toEqual([409, 'lease_pending']);
    expect([done.status, done.body.error.code]).toEqual([409, 'lease_pending']);
    const cancelled = await fleet.send('ann', `POST /v1/leases/${id}/cancel`);
    expect(cancelled.body).toMatchObject({ state: 'cancelled', outcome: 'cancelled' });
    expect((await fleet.send('ann', `POST /v1/leases/${id}/cancel`)).body).toEqual(cancelled.body);
  });

  test('that is active lives on with a heartbeat and rings for the work it leaves behind', async () => {
    await fleet.addReadyMachine(guests);
    const active = await lease({ pool: 'guests', heartbeatTimeoutSeconds: 30 });
    expect(active.state).toBe('active');
    const kept = await fleet.send('ann', `POST /v1/leases/${active.id}/heartbeat`);
    expect(kept.status).toBe(200);
    expect(Date.parse(kept.body.deadlineAt)).toBeGreaterThan(Date.parse(active.deadlineAt));

    fleet.rung.length = 0;
    const body = { outcome: 'completed' };
    const ended = await fleet.send('ann', `POST /v1/leases/${active.id}/complete`, { body });
    expect(ended.body).toMatchObject({ state: 'ending', outcome: 'completed' });
    expect(fleet.rung).toContain('nudge');
    const machine = await fleet.send('ann', `GET /v1/machines/${active.machine}`);
    expect(machine.body).toMatchObject({ intent: { kind: 'recycle' }, owed: 'stop', lease: active.id });

    const other = { outcome: 'failed' };
    const again = await fleet.send('ann', `POST /v1/leases/${active.id}/complete`, { body: other });
    expect([again.status, again.body.outcome]).toEqual([200, 'completed']);
    const late = await fleet.send('ann', `POST /v1/leases/${active.id}/heartbeat`);
    expect(late.status).toBe(409);
    expect(late.body.error).toMatchObject({ code: 'lease_ended', outcome: 'completed' });
  });

  test('that expired tells so to a late heartbeat', async () => {
    await fleet.addReadyMachine(guests);
    const active = await lease({ pool: 'guests', heartbeatTimeoutSeconds: 1 });
    await fleet.store.expireLeases({ now: new Date(Date.now() + 2000), by: 'test', limit: 10 });
    const late = await fleet.send('ann', `POST /v1/leases/${active.id}/heartbeat`);
    expect(late.status).toBe(409);
    expect(late.body.error).toMatchObject({ code: 'lease_ended', outcome: 'expired', reason: 'heartbeat' });
  });

  test('is ended with an outcome that exists', async () => {
    const { id } = await lease();
    for (const body of [{ outcome: 'lost' }, { outcome: 'completed', why: 'x' }, {}]) {
      expect((await fleet.send('ann', `POST /v1/leases/${id}/complete`, { body })).status).toBe(400);
    }
    await clearRequests();
  });
});

describe('lists', () => {
  test('show their own leases, newest first, page by page', async () => {
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const reply = await fleet.send('bob', 'POST /v1/leases', { body: { pool: 'guests' } });
      made.unshift(reply.body.id);
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let page = 0; page < 5 && cursor !== null; page += 1) {
      const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await fleet.send('bob', `GET /v1/leases?state=pending&limit=2${after}`);
      expect(body.leases.length).toBeLessThanOrEqual(2);
      seen.push(...body.leases.map((each: { id: string }) => each.id));
      cursor = body.next;
    }
    expect(seen).toEqual(made);
    const others = await fleet.send('ann', 'GET /v1/leases?limit=200');
    expect(others.body.leases.every((each: { owner: string }) => each.owner === 'ann')).toBe(true);
    await clearRequests();
  });

  test('refuse states, limits and cursors that do not exist', async () => {
    for (const query of ['state=asleep', 'limit=0', 'limit=201', 'limit=x', 'cursor=7', 'colour=red']) {
      const reply = await fleet.send('ann', `GET /v1/leases?${query}`);
      expect([query, reply.status]).toEqual([query, 400]);
    }
  });
});
