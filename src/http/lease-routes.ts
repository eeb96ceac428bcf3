import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { LEASE_STATES } from '../fleet/lifecycle.ts';
import type { Leasing, Requested } from '../fleet/leasing.ts';
import type { Lease } from '../fleet/pool.ts';
import type { App } from './app.ts';
import { callerOf, scopeOf } from './authentication.ts';
import { ApiError } from './error-reply.ts';
import {
  digestOf,
  LeaseBody,
  LeaseRequestBody,
  mayRetry,
  OrNull,
  RETRIES_NOTHING,
  toLeaseBody,
  toLeaseRequest,
  Word,
} from './lease-body.ts';
import {
  ASKS_FOR_NOTHING,
  KEY_CONFLICT,
  leaseEnded,
  noSuchLease,
  refused,
  retried,
  stillPending,
} from './lease-errors.ts';
import { readWhilePending, type WaitDeps } from './lease-wait.ts';
import { isId, nextCursor, PageQuery, toPage } from './page.ts';
import type { Views } from '../fleet/views.ts';

export interface LeaseRouteDeps extends WaitDeps {
  leasing: Leasing;
  views: Pick<Views, 'listLeases'>;
  /** Aborts when the process goes down: waits then end with the lease as it is. */
  stopping: AbortSignal;
  requestTimeoutMs: number;
}

const WAIT_SECONDS_MAX = 60;
const WaitQuery = Type.Object(
  {
    waitSeconds: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: WAIT_SECONDS_MAX,
        description: 'Answer once the lease is no longer pending, or after this many seconds as it is then.',
      }),
    ),
  },
  { additionalProperties: false },
);
const Params = Type.Object({ id: Type.String() });
const Headers = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^[\\u0021-\\u007e]+$',
      description: 'Makes the request safe to send again: the same key and body give the same lease.',
    }),
  ),
});

/** Requesting, reading, keeping and ending leases. */
export function addLeaseRoutes(app: App, deps: LeaseRouteDeps): void {
  addRequest(app, deps);
  addRead(app, deps);
  addList(app, deps);
  addHeartbeat(app, deps);
  addEnd(app, deps);
  addLost(app, deps);
}

function addRequest(app: App, deps: LeaseRouteDeps): void {
  const schema = {
    summary: 'Ask for a machine. The answer is durable; 200 where the Idempotency-Key was used before.',
    body: LeaseRequestBody,
    querystring: WaitQuery,
    headers: Headers,
    response: { 200: LeaseBody, 201: LeaseBody },
  };
  app.post('/v1/leases', { schema, handlerTimeout: waitTimeout(deps) }, async (request, reply) => {
    const { owner } = callerOf(request);
    if (!namesSomething(request.body)) throw new ApiError(ASKS_FOR_NOTHING);
    if (!mayRetry(request.body)) throw new ApiError(RETRIES_NOTHING);
    const idempotencyKey = request.headers['idempotency-key'] ?? null;
    const requested = await deps.leasing.request({
      request: toLeaseRequest(request.body, { owner, idempotencyKey }),
      digest: digestOf(request.body),
      by: `api:${owner}`,
    });
    const lease = leaseOrError(requested);
    const latest = await waitFor(deps, reply, { lease, owner, seconds: request.query.waitSeconds });
    return reply
      .code(requested.kind === 'created' ? 201 : 200)
      .header('location', `/v1/leases/${lease.id}`)
      .send(toLeaseBody(latest ?? lease));
  });
}

function addRead(app: App, deps: LeaseRouteDeps): void {
  const schema = {
    summary: 'A lease as it is.',
    params: Params,
    querystring: WaitQuery,
    response: { 200: LeaseBody },
  };
  app.get('/v1/leases/:id', { schema, handlerTimeout: waitTimeout(deps) }, async (request, reply) => {
    const owner = scopeOf(request);
    const found = await readOwn(deps, request.params.id, owner);
    const lease = await waitFor(deps, reply, { lease: found, owner, seconds: request.query.waitSeconds });
    return toLeaseBody(lease ?? found);
  });
}

function addList(app: App, deps: LeaseRouteDeps): void {
  const schema = {
    summary: 'Your leases, the newest first.',
    querystring: Type.Object(
      {
        ...PageQuery,
        state: Type.Optional(Type.Enum(LEASE_STATES)),
        pool: Type.Optional(Word('Of this pool.')),
      },
      { additionalProperties: false },
    ),
    response: { 200: Type.Object({ leases: Type.Array(LeaseBody), next: OrNull(Type.String()) }) },
  };
  app.get('/v1/leases', { schema }, async (request) => {
    const { state, pool } = request.query;
    const listed = await deps.views.listLeases({
      ...toPage(request.query),
      owner: scopeOf(request),
      state: state ?? null,
      pool: pool ?? null,
    });
    return { leases: listed.items.map(toLeaseBody), next: nextCursor(listed) };
  });
}

function addHeartbeat(app: App, deps: LeaseRouteDeps): void {
  const schema = {
    summary: 'Keep an active lease: its heartbeat time-out counts from now.',
    params: Params,
    response: { 200: LeaseBody },
  };
  app.post('/v1/leases/:id/heartbeat', { schema }, async (request) => {
    const { id } = request.params;
    const { owner } = callerOf(request);
    const lease = isId(id) ? await deps.leasing.heartbeat({ lease: id, owner }) : undefined;
    if (lease === undefined) throw noSuchLease(id);
    if (lease.state === 'pending') throw stillPending(id, 'A lease without a machine needs no heartbeat.');
    if (lease.state !== 'active') throw leaseEnded(lease);
    return toLeaseBody(lease);
  });
}

function addEnd(app: App, deps: LeaseRouteDeps): void {
  const complete = {
    summary:
      'End an active lease. Ending an ended one changes nothing and answers it as it is; 409 lease_retried where it was lost and another one, still open, takes its place.',
    params: Params,
    body: Type.Object({ outcome: Type.Enum(['completed', 'failed']) }, { additionalProperties: false }),
    response: { 200: LeaseBody },
  };
  app.post('/v1/leases/:id/complete', { schema: complete }, async (request) => {
    const { id } = request.params;
    const owner = scopeOf(request);
    const now = await readOwn(deps, id, owner);
    if (now.state === 'pending') throw stillPending(id, `Withdraw it with POST /v1/leases/${id}/cancel.`);
    const by = `api:${callerOf(request).owner}`;
    const lease = await deps.leasing.end({ lease: id, owner, outcome: request.body.outcome, by });
    if (lease === undefined) throw noSuchLease(id);
    const newest = await deps.leasing.newest(lease);
    if (newest !== lease && newest.endedAt === null) throw retried(lease, newest);
    return toLeaseBody(lease);
  });

  const cancel = {
    summary:
      'Withdraw a pending lease or break off an active one. Where it was lost and retried, that is done to the lease that takes its place now, which is answered. An ended one stays as it is.',
    params: Params,
    response: { 200: LeaseBody },
  };
  app.post('/v1/leases/:id/cancel', { schema: cancel }, async (request) => {
    const { id } = request.params;
    const by = `api:${callerOf(request).owner}`;
    const act = { lease: id, owner: scopeOf(request), outcome: 'cancelled', by } as const;
    const lease = isId(id) ? await deps.leasing.end(act) : undefined;
    if (lease === undefined) throw noSuchLease(id);
    return toLeaseBody(lease);
  });
}

function addLost(app: App, deps: LeaseRouteDeps): void {
  const lost = {
    summary:
      'Tell that the cloud takes the machine of an active lease away, as a notice inside the guest says: it ends as lost.',
    params: Params,
    response: { 200: LeaseBody },
  };
  app.post('/v1/leases/:id/lost', { schema: lost }, async (request) => {
    const { id } = request.params;
    const owner = scopeOf(request);
    const now = await readOwn(deps, id, owner);
    if (now.state === 'pending') throw stillPending(id, 'A lease without a machine cannot lose it.');
    const lease = await deps.leasing.lose({ lease: id, owner, by: `api:${callerOf(request).owner}` });
    if (lease === undefined) throw noSuchLease(id);
    return toLeaseBody(lease);
  });
}

async function readOwn(deps: LeaseRouteDeps, id: string, owner: string | null): Promise<Lease> {
  const lease = isId(id) ? await deps.leasing.read({ lease: id, owner }) : undefined;
  if (lease === undefined) throw noSuchLease(id);
  return lease;
}

async function waitFor(
  deps: LeaseRouteDeps,
  reply: Pick<FastifyReply, 'raw'>,
  wait: { lease: Lease; owner: string | null; seconds: number | undefined },
): Promise<Lease | undefined> {
  const { lease, owner, seconds } = wait;
  if (lease.state !== 'pending' || seconds === undefined || seconds === 0) return lease;
  const gone = new AbortController();
  // The response's end, not the request's: that one is over once its body has been read.
  reply.raw.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, deps.stopping]);
  const read = () => deps.leasing.read({ lease: lease.id, owner });
  return readWhilePending(deps, read, { lease: lease.id, seconds, signal });
}

function waitTimeout(deps: LeaseRouteDeps): number {
  return WAIT_SECONDS_MAX * 1000 + deps.requestTimeoutMs;
}

function namesSomething(body: LeaseRequestBody): boolean {
  const { pool, platform, arch, tags = [] } = body;
  return pool !== undefined || platform !== undefined || arch !== undefined || tags.length > 0;
}

function leaseOrError(requested: Requested): Lease {
  if (requested.kind === 'refused') throw refused(requested.refusal);
  if (requested.kind !== 'conflict') return requested.lease;
  throw new ApiError(KEY_CONFLICT);
}
