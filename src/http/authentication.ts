import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError, sendError, type ApiErrorDetails } from './error-reply.ts';
import { sha256, type Caller, type Sessions } from './sessions.ts';

/** A bearer token's record. The token itself is kept nowhere. */
export interface ApiToken {
  owner: string;
  /** SHA-256 of the token, in lower-case hexadecimal. */
  sha256: string;
  /** May read and end everybody's leases; false by default. */
  operator?: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** True for the few routes that answer without a token. */
    open?: boolean;
  }
}

export interface Authentication {
  /** Refuses a request without a token or session; every route but the open ones runs behind it. */
  guard(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>;
  /** Whose token this is. */
  check(token: string): Caller | undefined;
}

/** Tokens for programs, sessions for browsers. A session only reads: acts need the token in their header. */
export function createAuthentication(deps: {
  tokens: readonly ApiToken[];
  sessions: Sessions;
}): Authentication {
  const known = deps.tokens.map(({ owner, sha256: hash, operator }) => ({
    caller: { owner, operator: operator ?? false },
    hash: Buffer.from(hash, 'hex'),
  }));
  const broken = known.find(({ hash }) => hash.length !== 32);
  if (broken)
    throw new Error(`The token of ${broken.caller.owner} is not given as a SHA-256 in hexadecimal.`);

  function check(token: string): Caller | undefined {
    const hash = Buffer.from(sha256(token), 'hex');
    // Every record is compared, so that the time taken tells nothing about which one was near.
    const matching = known.filter((record) => timingSafeEqual(record.hash, hash));
    return matching[0]?.caller;
  }

  function callerOf(request: FastifyRequest): Caller | undefined {
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined) return check(bearer);
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const secret = reads ? sessionSecret(request) : undefined;
    return secret === undefined ? undefined : deps.sessions.find(secret);
  }

  return {
    check,
    async guard(request, reply) {
      request.caller = callerOf(request) ?? null;
      if (request.caller !== null || request.routeOptions.config.open === true) return undefined;
      if (isPageRequest(request)) return reply.redirect('/login', 303);
      return sendError(reply, UNAUTHORIZED);
    },
  };
}

const UNAUTHORIZED: ApiErrorDetails = {
  status: 401,
  code: 'unauthorized',
  message: 'This needs a valid token.',
  hint: 'Send Authorization: Bearer TOKEN (browsers: sign in at /login). The embedded run prints where its token is.',
};

export const SESSION_COOKIE = 'drover_session';

/** The session secret in the request's cookie. */
export function sessionSecret(request: FastifyRequest): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${SESSION_COOKIE}=`))?.slice(SESSION_COOKIE.length + 1);
}

/** The one who asks; only in routes behind the guard. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ApiError(UNAUTHORIZED);
  return request.caller;
}

/** Whose leases the caller may see and end: null for everybody's. */
export function scopeOf(request: FastifyRequest): string | null {
  const caller = callerOf(request);
  return caller.operator ? null : caller.owner;
}

/** A browser that opens a page, as opposed to a program or the page's own calls. */
function isPageRequest(request: FastifyRequest): boolean {
  return request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
}
