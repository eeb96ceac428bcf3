import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSessions } from '../../src/http/sessions.ts';
import { aPool, startFleet, TOKENS, type Fleet } from './fleet-server.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(aPool());
});
afterAll(() => fleet.close());

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

function signIn(token: string) {
  return fleet.send(null, 'POST /login', {
    headers: FORM,
    body: new URLSearchParams({ token }).toString(),
  });
}

async function cookieOf(token: string): Promise<string> {
  const reply = await signIn(token);
  return reply.headers.get('set-cookie')?.split(';')[0] ?? '';
}

test('a browser without a session is led to the page to sign in', async () => {
  const reply = await fleet.send(null, 'GET /', { headers: { accept: 'text/html' } });
  expect([reply.status, reply.headers.get('location')]).toEqual([303, '/login']);
  const login = await fleet.send(null, 'GET /login');
  expect(login.status).toBe(200);
  expect(login.body).toContain('<form method="post" action="/login"');
});

test('signing in opens a session that only reads', async () => {
  const reply = await signIn(TOKENS.ann);
  expect([reply.status, reply.headers.get('location')]).toEqual([303, '/']);
  const set = reply.headers.get('set-cookie') ?? '';
  expect(set).toMatch(/^drover_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  const cookie = set.split(';')[0] ?? '';

  const page = await fleet.send(null, 'GET /', { headers: { cookie: `theme=dark; ${cookie}` } });
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect((await fleet.send(null, 'GET /v1/status', { headers: { cookie } })).status).toBe(200);

  const act = { headers: { cookie }, body: { pool: 'guests' } };
  expect((await fleet.send(null, 'POST /v1/leases', act)).status).toBe(401);
});

test('signing out ends the session', async () => {
  const cookie = await cookieOf(TOKENS.ann);
  const out = await fleet.send(null, 'POST /logout', { headers: { ...FORM, cookie }, body: '' });
  expect(out.status).toBe(303);
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
  expect((await fleet.send(null, 'GET /v1/status', { headers: { cookie } })).status).toBe(401);
});

test('a wrong token opens nothing and is not shown again', async () => {
  for (const token of ['<script>wrong</script>', '']) {
    const reply = await signIn(token);
    expect(reply.status).toBe(401);
    expect(reply.headers.get('set-cookie')).toBeNull();
    expect(reply.body).toContain('not known here');
    expect(reply.body).not.toContain('<script>');
  }
  const json = await fleet.send(null, 'POST /login', { body: { token: 7 } });
  expect(json.status).toBe(401);
  const cookie = 'drover_session=guessed';
  expect((await fleet.send(null, 'GET /v1/status', { headers: { cookie } })).status).toBe(401);
});

test('a token in a URL opens nothing', async () => {
  expect((await fleet.send(null, `GET /?token=${TOKENS.ann}`)).status).toBe(401);
});

test('where browsers come over TLS the cookie goes nowhere else', async () => {
  const other = await startFleet({ settings: { secureCookie: true } });
  try {
    const body = `token=${TOKENS.ann}`;
    const reply = await other.send(null, 'POST /login', { headers: FORM, body });
    expect(reply.headers.get('set-cookie')).toMatch(/; Secure$/);
  } finally {
    await other.close();
  }
});

test('pages run only their own files and nothing inline, from nowhere else', async () => {
  const headers = { cookie: await cookieOf(TOKENS.ann) };
  for (const path of ['/', '/login']) {
    const { body, headers: sent } = await fleet.send(null, `GET ${path}`, { headers });
    const policy = sent.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(body).not.toMatch(/<script(?![^>]*\bsrc=")|<style|\bstyle="|\bon\w+="|https?:\/\//);
    const files = [...body.matchAll(/(?:src|href)="(\/[^"]+\.\w+)"/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect((await fleet.send(null, `GET ${file}`)).status).toBe(200);
  }
  const script = await fleet.send(null, 'GET /dashboard.js');
  for (const [, file] of script.body.matchAll(/from '\.(\/[^']+)'/g)) {
    expect((await fleet.send(null, `GET ${file}`)).headers.get('content-type')).toContain('text/javascript');
  }
});

test('sessions end in time, and the oldest ones when there are too many', () => {
  let now = 0;
  const sessions = createSessions({ clock: { now: () => new Date(now) }, ttlMs: 1000 });
  const caller = { owner: 'ann', operator: false };
  const first = sessions.open(caller);
  now = 999;
  expect(sessions.find(first)).toEqual(caller);
  now = 1000;
  expect(sessions.find(first)).toBeUndefined();
  const second = sessions.open(caller);
  for (let n = 0; n < 1000; n += 1) sessions.open(caller);
  expect(sessions.find(second)).toBeUndefined();
});
