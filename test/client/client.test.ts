import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { ClientError } from '../../src/client/client-error.ts';
import { breakOff, json, neverAnswer, startStubFleet, type Answering, type StubFleet } from './stub-fleet.ts';

const opened: StubFleet[] = [];
afterEach(async () => {
  for (const fleet of opened.splice(0)) await fleet.close();
});

async function against(...answers: Answering[]) {
  const fleet = await startStubFleet(...answers);
  opened.push(fleet);
  return { fleet, client: createClient({ url: fleet.url, token: 'secret', retryForMs: 5000 }) };
}

async function failureOf(work: Promise<unknown>): Promise<ClientError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ClientError))
    throw new Error('it did not fail with a ClientError', { cause: error });
  return error;
}

const away = json(503, { error: { code: 'unavailable', message: 'away', hint: 'again' } });
const pending = { id: 'l-1', state: 'pending' };
const active = { id: 'l-1', state: 'active' };

describe('while the fleet is away', () => {
  test('a request is sent again under the same key until it is answered', async () => {
    const { fleet, client } = await against(away, breakOff, json(201, pending));
    expect(await client.requestLease({ pool: 'guests', tags: ['a'] })).toEqual(pending);
    expect(fleet.seen).toHaveLength(3);
    const keys = new Set(fleet.seen.map((seen) => seen.headers['idempotency-key']));
    expect(keys.size).toBe(1);
    expect([...keys][0]).toMatch(/^[0-9a-f-]{36}$/);
    for (const { method, path, body, headers } of fleet.seen) {
      expect([method, path, body]).toEqual(['POST', '/v1/leases', '{"pool":"guests","tags":["a"]}']);
      expect(headers.authorization).toBe('Bearer secret');
    }
  });

  test('a key of the caller’s own is used', async () => {
    const { fleet, client } = await against(json(200, pending));
    await client.requestLease({ pool: 'guests' }, { idempotencyKey: 'mine' });
    expect(fleet.seen[0]?.headers['idempotency-key']).toBe('mine');
  });

  test('it waits as long as the fleet asks before it tries again', async () => {
    const later = json(
      503,
      { error: { code: 'unavailable', message: 'm', hint: 'h' } },
      { 'retry-after': '1' },
    );
    const { client } = await against(later, json(200, active));
    const from = performance.now();
    await client.heartbeat('l-1');
    expect(performance.now() - from).toBeGreaterThanOrEqual(1000);
  });

  test('it gives up once its time is over, and says why', async () => {
    const { fleet, client } = await against(away);
    const error = await failureOf(client.pools({ retryForMs: 500 }));
    expect(error).toMatchObject({ code: 'unavailable', status: 503, message: 'away', hint: 'again' });
    expect(fleet.seen.length).toBeGreaterThan(1);
  });

  test('an address where nobody listens is told as such', async () => {
    const { fleet, client } = await against(away);
    await fleet.close();
    opened.length = 0;
    const error = await failureOf(client.status({ retryForMs: 0 }));
    expect(error).toMatchObject({ code: 'network', status: 0 });
    expect(error.message).toContain(fleet.url);
  });

  test('a call is broken off at once when its caller says so, even between two tries', async () => {
    const { fleet, client } = await against((_seen, response) => {
      caller.abort();
      away(_seen, response);
    });
    const caller = new AbortController();
    const error = await failureOf(client.cancel('l-1', { signal: caller.signal, retryForMs: 60_000 }));
    expect(error).toMatchObject({ code: 'aborted', status: 0 });
    expect(fleet.seen).toHaveLength(1);
    const unsent = await failureOf(client.cancel('l-1', { signal: caller.signal }));
    expect([unsent.code, fleet.seen.length]).toEqual(['aborted', 1]);
  });

  test('a call that hangs is broken off', async () => {
    const { client } = await against(neverAnswer);
    const signal = AbortSignal.timeout(100);
    expect((await failureOf(client.lease('l-1', { signal }))).code).toBe('aborted');
  });
});

describe('an answer that is no success', () => {
  test('is not asked for again, and carries what the fleet said', async () => {
    const ended = { code: 'lease_ended', message: 'over', hint: 'another', outcome: 'expired' };
    const { fleet, client } = await against(json(409, { error: ended }));
    const error = await failureOf(client.heartbeat('l-1'));
    expect(error).toMatchObject({ ...ended, status: 409 });
    expect(fleet.seen).toHaveLength(1);
  });

  test('of something that is no fleet is told as such', async () => {
    const page: Answering = (_seen, response) => void response.writeHead(200).end('<html>');
    const { client } = await against(page);
    expect(await failureOf(client.pools())).toMatchObject({ code: 'protocol', status: 200 });
  });

  test('a redirection is not followed: the token is for this address alone', async () => {
    const { fleet: other } = await against(json(200, { pools: [] }));
    const elsewhere: Answering = (_seen, response) =>
      void response.writeHead(307, { location: `${other.url}/v1/pools` }).end();
    const { client } = await against(elsewhere);
    await failureOf(client.pools({ retryForMs: 0 }));
    expect(other.seen).toEqual([]);
  });
});

describe('waiting for a lease', () => {
  test('asks again until it is no longer pending', async () => {
    const { fleet, client } = await against(json(200, pending), away, json(200, pending), json(200, active));
    expect(await client.waitForLease('l-1', { timeoutMs: 20_000 })).toEqual(active);
    expect(fleet.seen).toHaveLength(4);
    for (const { path } of fleet.seen) {
      const seconds = Number(new URL(path, fleet.url).searchParams.get('waitSeconds'));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(30);
    }
  });

  test('ends at its deadline', async () => {
    const slow: Answering = (seen, response) => {
      const seconds = Number(new URL(seen.path, 'http://x').searchParams.get('waitSeconds'));
      setTimeout(() => json(200, pending)(seen, response), seconds * 1000);
    };
    const { client } = await against(slow);
    const error = await failureOf(client.waitForLease('l-1', { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: 'deadline', status: 0 });
    expect(error.message).toContain('0.3 s');
  });

  test('ends when its caller says so', async () => {
    const { client } = await against(neverAnswer);
    const signal = AbortSignal.timeout(100);
    expect((await failureOf(client.waitForLease('l-1', { timeoutMs: 60_000, signal }))).code).toBe('aborted');
  });
});

test('ids, names and filters are sent so that they cannot reach another path', async () => {
  const { fleet, client } = await against(json(200, { pools: [] }));
  await client.lease('../pools?x=1');
  await client.pool('a/b');
  await client.machines({ state: 'ready', pool: 'a&b', limit: 2 });
  expect(fleet.seen.map((seen) => seen.path)).toEqual([
    '/v1/leases/..%2Fpools%3Fx%3D1',
    '/v1/pools/a%2Fb',
    '/v1/machines?state=ready&pool=a%26b&limit=2',
  ]);
});

test('a fleet below a path is reached there', async () => {
  const { fleet } = await against(json(200, { pools: [] }));
  await createClient({ url: `${fleet.url}/drover`, token: 'x' }).pools();
  expect(fleet.seen[0]?.path).toBe('/drover/v1/pools');
});

test.each(['localhost:8420', 'ftp://host', ''])('"%s" is refused as an address', (url) => {
  expect(() => createClient({ url, token: 'x' })).toThrow(ClientError);
});
