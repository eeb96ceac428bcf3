import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './app.ts';
import { sessionSecret, SESSION_COOKIE, type Authentication } from './authentication.ts';
import type { Sessions } from './sessions.ts';

export interface PageDeps {
  authentication: Authentication;
  sessions: Sessions;
  sessionMs: number;
  /** True where browsers reach this over TLS: the cookie then goes nowhere else. */
  secureCookie: boolean;
}

const FOLDER = join(import.meta.dirname, '..', 'dashboard');
const HTML = 'text/html; charset=utf-8';
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ASSETS = {
  '/dashboard.css': 'text/css; charset=utf-8',
  '/dashboard.js': 'text/javascript; charset=utf-8',
  '/render.js': 'text/javascript; charset=utf-8',
  '/favicon.svg': 'image/svg+xml',
} as const;

/** The status page, what it is made of, and signing in and out. */
export function addPages(app: App, deps: PageDeps): void {
  void app.register(async (scope) => {
    scope.addHook('onRequest', async (_request, reply) => {
      void reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
    });
    const schema = { hide: true };
    const page = await readFile(join(FOLDER, 'index.html'), 'utf8');
    scope.get('/', { schema }, async (_request, reply) => reply.type(HTML).send(page));
    for (const [path, type] of Object.entries(ASSETS)) {
      const content = await readFile(join(FOLDER, path), 'utf8');
      // Open, because the page to sign in needs its looks.
      scope.get(path, { schema, config: { open: true } }, async (_request, reply) =>
        reply.type(type).send(content),
      );
    }
    addLogin(scope, deps, await readFile(join(FOLDER, 'login.html'), 'utf8'));
  });
}

const FORM_LIMIT_BYTES = 4096;
const MESSAGE_PLACE = '<!-- message -->';

function addLogin(
  scope: Pick<App, 'get' | 'post' | 'addContentTypeParser'>,
  deps: PageDeps,
  form: string,
): void {
  const options = { schema: { hide: true }, config: { open: true } };
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: FORM_LIMIT_BYTES },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body.toString()))),
  );

  scope.get('/login', options, async (_request, reply) => reply.type(HTML).send(form));

  scope.post('/login', options, async (request, reply) => {
    const caller = deps.authentication.check(tokenOf(request.body));
    if (caller === undefined) {
      const message = '<p class="wrong" role="alert">This token is not known here.</p>';
      return reply.code(401).type(HTML).send(form.replace(MESSAGE_PLACE, message));
    }
    setCookie(reply, deps, { value: deps.sessions.open(caller), seconds: Math.floor(deps.sessionMs / 1000) });
    return reply.redirect('/', 303);
  });

  scope.post('/logout', options, async (request: FastifyRequest, reply) => {
    const secret = sessionSecret(request);
    if (secret !== undefined) deps.sessions.close(secret);
    setCookie(reply, deps, { value: '', seconds: 0 });
    return reply.redirect('/login', 303);
  });
}

function tokenOf(body: unknown): string {
  if (typeof body !== 'object' || body === null || !('token' in body)) return '';
  return typeof body.token === 'string' ? body.token.trim() : '';
}

/** Strict: no other site's link or form ever carries it, and no script reads it. */
function setCookie(reply: FastifyReply, deps: PageDeps, cookie: { value: string; seconds: number }): void {
  const secure = deps.secureCookie ? '; Secure' : '';
  const rest = `Path=/; Max-Age=${cookie.seconds}; HttpOnly; SameSite=Strict${secure}`;
  void reply.header('set-cookie', `${SESSION_COOKIE}=${cookie.value}; ${rest}`);
}
