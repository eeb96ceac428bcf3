import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { Ajv } from 'ajv';
import {
  fastify,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
  type RawServerDefault,
} from 'fastify';
import type { Log, NewId } from '../fleet/ports.ts';
import type { Authentication } from './authentication.ts';
import { createErrorReply, sendError, STOPPING, toErrorBody } from './error-reply.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface AppDeps {
  log: Log;
  newId: NewId;
  authentication: Authentication;
  /** Aborts when the process goes down. */
  stopping: AbortSignal;
  requestTimeoutMs: number;
}

const BODY_LIMIT_BYTES = 64 * 1024;

/** Fastify with what holds for every route: who may ask, how errors look, what is logged. */
export function createApp(deps: AppDeps): App {
  const { log, authentication, stopping } = deps;
  const reply = createErrorReply(log);
  const app: App = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    handlerTimeout: deps.requestTimeoutMs,
    genReqId: () => deps.newId(),
    // Ours answers in our shape; see the hook below.
    return503OnClosing: false,
    frameworkErrors: (error, request, response) => void reply(error, request, response),
    clientErrorHandler: refuseBrokenRequest,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler((error, request, response) => reply(toError(error), request, response));
  app.setNotFoundHandler(replyNotFound);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, response) => {
    void response.headers(HEADERS);
    if (stopping.aborted) return sendError(response, STOPPING);
    return authentication.guard(request, response);
  });
  app.addHook('onSend', async (_request, response) => {
    // A connection kept alive would hold up the stop.
    if (stopping.aborted) void response.header('connection', 'close');
  });
  app.addHook('onRequestAbort', async (request) => {
    log.info({ request: request.id, method: request.method, path: pathOf(request) }, 'the client went away');
  });
  app.addHook('onResponse', async (request, response) => logRequest(log, request, response));
  return app;
}

const HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/**
 * Bodies are taken as they are: nothing converted, nothing dropped, unknown fields refused. Query and path are text
 * by nature and are converted to what their schema says.
 */
function createValidatorCompiler(): FastifySchemaCompiler<object> {
  const options = { removeAdditional: false, useDefaults: true, allErrors: false, strict: false } as const;
  const exact = new Ajv({ ...options, coerceTypes: false });
  const converting = new Ajv({ ...options, coerceTypes: true });
  return ({ schema, httpPart }) => (httpPart === 'body' ? exact : converting).compile(schema);
}

function toError(error: unknown): Error {
  return error instanceof Error
    ? error
    : new Error('something that is no error was thrown', { cause: error });
}

function replyNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendError(reply, {
    status: 404,
    code: 'no_such_route',
    message: `There is no ${request.method} ${pathOf(request)}.`,
    hint: 'The routes are described at /openapi.json.',
  });
}

/** The path alone: a query may hold what belongs in no log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '/';
}

function logRequest(log: Log, request: FastifyRequest, reply: FastifyReply): void {
  log.info(
    {
      request: request.id,
      method: request.method,
      path: pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      owner: request.caller?.owner,
    },
    'answered',
  );
}

/** Answers what is no HTTP at all; there is no request to answer to. */
function refuseBrokenRequest(_error: Error, socket: import('node:net').Socket): void {
  const body = JSON.stringify(
    toErrorBody({
      status: 400,
      code: 'invalid_request',
      message: 'This is not a valid HTTP/1.1 request.',
      hint: 'Check the request line and headers, whose size is limited to 16 KiB.',
    }),
  );
  if (!socket.writable) return;
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
