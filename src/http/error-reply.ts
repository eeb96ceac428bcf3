import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { FleetError } from '../fleet/errors.ts';
import type { Log } from '../fleet/ports.ts';

/** The one shape of everything that is not an answer. */
export interface ErrorBody {
  error: {
    code: string;
    message: string;
    /** The field of the request it is about, as a path: `tags/0`. */
    field?: string;
    /** The rule that field broke. */
    rule?: string;
    /** What to do about it. */
    hint: string;
    /** How the lease ended, where that is why. */
    outcome?: string;
    reason?: string;
  };
}

export interface ApiErrorDetails {
  status: number;
  code: string;
  message: string;
  hint: string;
  field?: string;
  rule?: string;
  outcome?: string;
  reason?: string;
  retryAfterSeconds?: number;
}

/** A refusal that a route decided on. */
export class ApiError extends Error {
  readonly details: ApiErrorDetails;

  constructor(details: ApiErrorDetails) {
    super(details.message);
    this.name = 'ApiError';
    this.details = details;
  }
}

/** Maps everything thrown in a route to an answer; the only place that does. Logs what nobody expected. */
export function createErrorReply(log: Log) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const details = toDetails(error);
    if (details.status >= 500) {
      log.error({ err: error, request: request.id, route: request.routeOptions.url }, 'a request failed');
    }
    return sendError(reply, details);
  };
}

/** Answers with an error, whatever error handler the route's plugin brought along. */
export function sendError(reply: FastifyReply, details: ApiErrorDetails): FastifyReply {
  if (details.status === 401) void reply.header('www-authenticate', 'Bearer realm="drover"');
  if (details.status === 503) void reply.header('retry-after', String(details.retryAfterSeconds ?? 2));
  // The route's own response schema describes its answers, not this.
  return reply
    .code(details.status)
    .header('content-type', 'application/json; charset=utf-8')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(toErrorBody(details));
}

export function toErrorBody(details: ApiErrorDetails): ErrorBody {
  const { code, message, hint, field, rule, outcome, reason } = details;
  return {
    error: {
      code,
      message,
      ...(field !== undefined && { field }),
      ...(rule !== undefined && { rule }),
      hint,
      ...(outcome !== undefined && { outcome }),
      ...(reason !== undefined && { reason }),
    },
  };
}

/** What an error of any origin means to the one who asked. */
export function toDetails(error: unknown): ApiErrorDetails {
  if (error instanceof ApiError) return error.details;
  if (error instanceof FleetError) return fromFleetError(error);
  if (isAway(error)) return AWAY;
  return error instanceof Error ? (fromFastifyError(error) ?? INTERNAL) : INTERNAL;
}

const AWAY: ApiErrorDetails = {
  status: 503,
  code: 'unavailable',
  message: 'The fleet cannot reach its database or its queues at the moment; nothing was left half done.',
  hint: 'Send the same request again after the time in Retry-After, a lease request with its Idempotency-Key.',
};

const INTERNAL: ApiErrorDetails = {
  status: 500,
  code: 'internal',
  message: 'The fleet failed at this request; the reason is in its log.',
  hint: 'Send it again with the same Idempotency-Key; if it fails again, tell whoever runs this fleet.',
};

export const STOPPING: ApiErrorDetails = {
  status: 503,
  code: 'stopping',
  message: 'This process is going down.',
  hint: 'Send the request again; another process or its successor will answer.',
};

function fromFleetError(error: FleetError): ApiErrorDetails {
  const away = error.code === 'unavailable' || error.code === 'throttled';
  if (!away) return INTERNAL;
  if (error.retryAfterMs === undefined) return AWAY;
  return { ...AWAY, retryAfterSeconds: Math.max(1, Math.ceil(error.retryAfterMs / 1000)) };
}

/** Codes by which sockets and PostgreSQL say that nobody is there (any more), or not yet. */
const AWAY_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
]);
const AWAY_MESSAGES = /connection terminated|connection is closed|timeout exceeded when trying to connect/i;
const CAUSES_FOLLOWED = 5;

function isAway(error: unknown): boolean {
  let each: unknown = error;
  for (let depth = 0; depth < CAUSES_FOLLOWED && each instanceof Error; depth += 1) {
    if ('code' in each && typeof each.code === 'string' && AWAY_CODES.has(each.code)) return true;
    if (AWAY_MESSAGES.test(each.message)) return true;
    each = each.cause;
  }
  return false;
}

const BY_FASTIFY_CODE: Readonly<Record<string, ApiErrorDetails>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: 'body_too_large',
    message: 'The body is larger than 64 KiB.',
    hint: 'Send what the API describes at /openapi.json and nothing else.',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'unsupported_media_type',
    message: 'The body is not JSON.',
    hint: 'Send Content-Type: application/json.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    status: 400,
    code: 'invalid_json',
    message: 'The body is said to be JSON but it is empty.',
    hint: 'Send a JSON object, or no Content-Type where the route takes no body.',
  },
  FST_ERR_HANDLER_TIMEOUT: {
    ...AWAY,
    message: 'The fleet did not answer in time; nothing was left half done.',
  },
};

function fromFastifyError(error: Error & Partial<FastifyError>): ApiErrorDetails | undefined {
  const { code = '', validation, statusCode = 500 } = error;
  const known = BY_FASTIFY_CODE[code];
  if (known !== undefined) return known;
  if (validation !== undefined) return fromValidation(error);
  if (statusCode < 400 || statusCode >= 500) return undefined;
  const json = error.name === 'SyntaxError' || code === 'FST_ERR_CTP_INVALID_JSON_BODY';
  return {
    status: statusCode,
    code: json ? 'invalid_json' : 'invalid_request',
    message: json ? 'The body is not valid JSON.' : error.message,
    hint: 'The API is described at /openapi.json.',
  };
}

interface Broken {
  keyword: string;
  instancePath: string;
  params: Record<string, unknown>;
  message?: string;
}

function fromValidation(error: Partial<FastifyError>): ApiErrorDetails {
  const broken = error.validation?.[0] as Broken | undefined;
  const where = error.validationContext ?? 'request';
  const field = fieldOf(broken);
  return {
    status: 400,
    code: 'invalid_request',
    message: `The ${where} is not valid: ${field ?? 'it'} ${ruleText(broken)}.`,
    ...(field !== undefined && { field }),
    ...(broken !== undefined && { rule: broken.keyword }),
    hint: 'The fields, their units and limits are described at /openapi.json.',
  };
}

function fieldOf(broken: Broken | undefined): string | undefined {
  if (broken === undefined) return undefined;
  const named = broken.params['additionalProperty'] ?? broken.params['missingProperty'];
  const path = broken.instancePath.split('/').slice(1);
  const whole = [...path, ...(typeof named === 'string' ? [named] : [])].join('/');
  return whole === '' ? undefined : whole;
}

function ruleText(broken: Broken | undefined): string {
  if (broken === undefined) return 'breaks a rule';
  if (broken.keyword === 'additionalProperties') return 'is not a field of this request';
  if (broken.keyword === 'required') return 'is missing';
  const allowed = broken.params['allowedValues'];
  if (Array.isArray(allowed)) return `must be one of ${allowed.join(', ')}`;
  return broken.message ?? 'breaks a rule';
}
