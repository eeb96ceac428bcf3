import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { ArmError } from './arm-error.ts';
import type { Reply } from './reply.ts';

interface TokenAuthorityOptions {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  /** Real seconds: SDKs compare it with the real clock. */
  tokenLifetimeSeconds: number;
  origin: () => string;
  /** Real milliseconds since the epoch. */
  now: () => number;
}

/** Hands out bearer tokens for client credentials, and checks them. */
export interface TokenAuthority {
  /** The answer to a request of the authority's own paths; undefined where the path is none of them. */
  answer(request: { method: string; url: URL; body: string }): Reply | undefined;
  /** Throws a 401 unless the Authorization header carries an unexpired token of this authority. */
  check(authorization: string | undefined): void;
}

/** An authority with a signing key of its own: tokens of another emulator, or of an earlier one, are refused. */
export function createTokenAuthority(options: TokenAuthorityOptions): TokenAuthority {
  const key = randomBytes(32);
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url');
  return {
    answer({ method, url, body }) {
      const [, tenant, ...rest] = url.pathname.split('/');
      const page = `${method} ${rest.join('/')}`;
      if (page === 'GET discovery/instance') return instanceDiscovery(options, url);
      if (page === 'GET v2.0/.well-known/openid-configuration') return openidConfiguration(options, tenant);
      if (page === 'POST oauth2/v2.0/token')
        return issue(options, sign, { tenant, form: new URLSearchParams(body) });
      return undefined;
    },
    check(authorization) {
      const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) {
        throw unauthorized(
          'AuthenticationFailed',
          "Authentication failed. The 'Authorization' header is missing.",
        );
      }
      const expiresAt = expiryOf(token, sign);
      if (expiresAt === undefined)
        throw unauthorized('InvalidAuthenticationToken', 'The access token is invalid.');
      if (expiresAt * 1000 <= options.now()) {
        throw unauthorized(
          'ExpiredAuthenticationToken',
          'The access token expiry has passed: get a new one.',
        );
      }
    },
  };
}

type Sign = (text: string) => string;

function instanceDiscovery(options: TokenAuthorityOptions, url: URL): Reply {
  const host = new URL(options.origin()).host;
  return {
    status: 200,
    body: {
      tenant_discovery_endpoint: `${options.origin()}/${options.tenantId}/v2.0/.well-known/openid-configuration`,
      'api-version': url.searchParams.get('api-version') ?? '1.1',
      metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
    },
  };
}

function openidConfiguration(options: TokenAuthorityOptions, tenant: string | undefined): Reply {
  if (tenant !== options.tenantId) return unknownTenant(tenant);
  const base = `${options.origin()}/${options.tenantId}`;
  return {
    status: 200,
    body: {
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      response_types_supported: ['code', 'token'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid'],
      claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat'],
      tenant_region_scope: 'EU',
    },
  };
}

function issue(
  options: TokenAuthorityOptions,
  sign: Sign,
  request: { tenant: string | undefined; form: URLSearchParams },
): Reply {
  const { tenant, form } = request;
  if (tenant !== options.tenantId) return unknownTenant(tenant);
  if (form.get('grant_type') !== 'client_credentials') {
    return refusal(400, 'unsupported_grant_type', 'AADSTS70003: only client_credentials is supported here.');
  }
  if (form.get('client_id') !== options.clientId) {
    return refusal(400, 'unauthorized_client', 'AADSTS700016: Application was not found in the directory.');
  }
  if (!isSame(form.get('client_secret') ?? '', options.clientSecret)) {
    return refusal(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.');
  }
  const audience = audienceOf(form.get('scope'), options.origin());
  if (audience === undefined) {
    return refusal(
      400,
      'invalid_scope',
      'AADSTS70011: The provided scope is not valid: ask for one <resource>/.default.',
    );
  }
  return granted(options, sign, audience);
}

function granted(options: TokenAuthorityOptions, sign: Sign, audience: string): Reply {
  const issuedAt = Math.floor(options.now() / 1000);
  const claims = {
    aud: audience,
    iss: `${options.origin()}/${options.tenantId}/v2.0`,
    iat: issuedAt,
    exp: issuedAt + options.tokenLifetimeSeconds,
    appid: options.clientId,
    tid: options.tenantId,
  };
  const unsigned = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
  return {
    status: 200,
    body: {
      token_type: 'Bearer',
      expires_in: options.tokenLifetimeSeconds,
      ext_expires_in: options.tokenLifetimeSeconds,
      access_token: `${unsigned}.${sign(unsigned)}`,
    },
  };
}

function expiryOf(token: string, sign: Sign): number | undefined {
  const [head, claims, signature] = token.split('.');
  if (head === undefined || claims === undefined || signature === undefined) return undefined;
  if (!isSame(signature, sign(`${head}.${claims}`))) return undefined;
  const parsed: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
  return typeof parsed === 'object' && parsed !== null && 'exp' in parsed && typeof parsed.exp === 'number'
    ? parsed.exp
    : undefined;
}

// MSAL adds openid, profile and offline_access on its own; one resource must remain.
function audienceOf(scope: string | null, origin: string): string | undefined {
  const resources = (scope ?? '').split(' ').filter((each) => each.endsWith('/.default'));
  const [resource] = resources;
  if (resource === undefined || resources.length > 1) return undefined;
  const audience = resource.slice(0, -'/.default'.length).replace(/\/$/, '');
  return ['https://management.azure.com', 'https://management.core.windows.net', origin].includes(audience)
    ? audience
    : undefined;
}

function unknownTenant(tenant: string | undefined): Reply {
  return refusal(400, 'invalid_request', `AADSTS90002: Tenant '${tenant ?? ''}' not found.`);
}

function refusal(status: number, error: string, description: string): Reply {
  const number = /AADSTS(\d+)/.exec(description)?.[1] ?? '0';
  return { status, body: { error, error_description: description, error_codes: [Number(number)] } };
}

function unauthorized(code: string, message: string): ArmError {
  return new ArmError(401, code, { message, headers: { 'www-authenticate': 'Bearer' } });
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
