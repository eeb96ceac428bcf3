import { randomUUID } from 'node:crypto';

import type { CallLog, CallRecord } from '../call-log.ts';
import type { Fault, Faults } from '../faults.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Agenda } from './agenda.ts';
import type { ArmCall, ReadHandler, WriteHandler } from './arm-call.ts';
import { ArmError, armErrorBody } from './arm-error.ts';
import type { ArmSettings } from './arm-options.ts';
import type { AsyncOperation } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';
import type { RawRequest } from './https-server.ts';
import { namedInstances } from './instance-targets.ts';
import { POLL_INTERVAL_MS } from './reads.ts';
import { failureMessage, refusalFor } from './refusals.ts';
import type { Reply } from './reply.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { checkedBody, checkedQuery, checkScope } from './router.ts';
import type { Match } from './router.ts';
import { OPERATION_STATUS, throttledResource } from './routes.ts';
import type { Route } from './routes.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import { scaleSetView } from './scale-set-view.ts';
import type { Charge, Throttles } from './throttles.ts';

interface DispatchDeps {
  clock: ScaledClock;
  agenda: Agenda;
  log: CallLog;
  faults: Faults;
  settings: ArmSettings;
  store: ScaleSetStore;
  operations: AsyncOperations;
  throttles: Throttles;
  /** Finds the route, or throws its refusal. */
  route: (method: string, path: string) => Match;
  /** Throws a 401 unless the token is good. */
  authenticate: (authorization: string | undefined) => void;
  origin: () => string;
}

export interface Dispatch {
  /** Answers one request and logs it; 'hang-up' where a fault has its answer lost. */
  answer(request: RawRequest): Reply | 'hang-up';
  counters(): { calls: Record<string, number>; throttled: number };
}

/** What is known of a request so far, for the log. */
interface Trace {
  at: number;
  requestId: string;
  operation: string;
  instances: string[];
  ifMatch: string | undefined;
  fault: Fault | undefined;
}

/** The order of the checks: path, token, query, body, scope, throttles, faults; then the request itself. */
export function createDispatch(deps: DispatchDeps): Dispatch {
  const { clock, log } = deps;
  const calls = new Map<string, number>();
  let throttled = 0;
  const record = (
    request: RawRequest,
    trace: Trace,
    outcome: { status: number; code: string | undefined },
  ): void => {
    calls.set(trace.operation, (calls.get(trace.operation) ?? 0) + 1);
    if (outcome.status === 429) throttled += 1;
    log.call(callRecord(request, trace, outcome));
  };
  return {
    answer(request) {
      const trace: Trace = {
        at: clock.realMs(),
        requestId: randomUUID(),
        operation: 'Unknown',
        instances: [],
        ifMatch: request.headers['if-match'],
        fault: undefined,
      };
      const { reply, code } = attempt(deps, request, trace);
      const isLost = trace.fault?.kind === 'lost-reply' && code === undefined;
      record(request, trace, { status: isLost ? 0 : reply.status, code });
      return isLost
        ? 'hang-up'
        : { ...reply, headers: { 'x-ms-request-id': trace.requestId, ...reply.headers } };
    },
    counters: () => ({ calls: Object.fromEntries(calls), throttled }),
  };
}

function callRecord(
  request: RawRequest,
  { at, requestId, operation, instances, ifMatch, fault }: Trace,
  { status, code }: { status: number; code: string | undefined },
): CallRecord {
  return {
    type: 'call',
    cloud: 'azure',
    at,
    requestId,
    operation,
    mutating: request.method !== 'GET',
    instances,
    status,
    ...(ifMatch === undefined ? {} : { token: ifMatch }),
    ...(code === undefined ? {} : { code }),
    ...(fault === undefined ? {} : { fault: fault.kind }),
  };
}

function attempt(
  deps: DispatchDeps,
  request: RawRequest,
  trace: Trace,
): { reply: Reply; code: string | undefined } {
  try {
    return { reply: perform(deps, request, trace), code: undefined };
  } catch (error) {
    const refusal = error instanceof ArmError ? error : emulatorFailed(error);
    const { status, headers, code } = refusal;
    return {
      reply: { status, headers: { ...headers, 'x-ms-error-code': code }, body: armErrorBody(refusal) },
      code,
    };
  }
}

function perform(deps: DispatchDeps, request: RawRequest, trace: Trace): Reply {
  const url = new URL(request.target, deps.origin());
  const match = deps.route(request.method, url.pathname);
  trace.operation = match.route.operation;
  deps.authenticate(request.headers['authorization']);
  const call = checkedCall(deps, { request, match, url, requestId: trace.requestId });
  trace.instances = namedInstances(deps.store, call);
  const charge: Charge = {
    method: request.method,
    policies: match.route.policies,
    resource: resourceOf(deps, call),
    machines: trace.instances.length,
  };
  const headers = deps.throttles.take(charge);
  const fault = deps.faults.take(call.operation, trace.instances);
  trace.fault = fault;
  if (fault?.kind === 'throttled') throw deps.throttles.refusal(charge);
  if (fault?.kind === 'refused') throw refusalFor(fault.code ?? 'InternalServerError');
  const reply = execute(deps, { route: match.route, call, fault });
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

function checkedCall(
  { settings }: DispatchDeps,
  given: { request: RawRequest; match: Match; url: URL; requestId: string },
): ArmCall {
  const { request, match, url, requestId } = given;
  const query = checkedQuery(match.route, url);
  const body = checkedBody(match.route, request.body);
  checkScope(match.params, settings);
  return {
    operation: match.route.operation,
    requestId,
    params: match.params,
    query,
    body,
    ifMatch: request.headers['if-match'],
    ifNoneMatch: request.headers['if-none-match'],
    url,
  };
}

function execute(
  deps: DispatchDeps,
  given: { route: Route; call: ArmCall; fault: Fault | undefined },
): Reply {
  const { route, call, fault } = given;
  const lateMs = latenessMs(fault);
  if (route.read !== undefined) return readNowOrLate(deps, { route, call, lateMs, read: route.read });
  if (route.write === undefined) throw new Error(`The route of ${call.operation} has no handler.`);
  const operation = deps.operations.open({
    name: call.operation,
    requestId: call.requestId,
    set: call.params['set'] ?? '',
  });
  if (fault?.kind === 'operation-failed') sabotage(operation, fault.code ?? 'InternalServerError');
  if (lateMs !== undefined) return writeLate(deps, { call, operation, lateMs, write: route.write });
  return writeNow(deps, { call, operation, write: route.write });
}

function latenessMs(fault: Fault | undefined): number | undefined {
  return fault?.kind === 'late-effect' ? (fault.delayMs ?? 60_000) : undefined;
}

function readNowOrLate(
  deps: DispatchDeps,
  given: { route: Route; call: ArmCall; lateMs: number | undefined; read: ReadHandler },
): Reply {
  const { route, call, lateMs, read } = given;
  if (lateMs === undefined || route.method === 'GET') return read(call);
  deps.agenda.after(lateMs, () => {
    try {
      read(call);
    } catch (error) {
      // The caller has had an answer; there is nobody left to tell of a refusal.
      if (!(error instanceof ArmError)) throw error;
    }
  });
  return { status: 204 };
}

function writeNow(
  deps: DispatchDeps,
  { call, operation, write }: { call: ArmCall; operation: AsyncOperation; write: WriteHandler },
): Reply {
  try {
    const reply = write(call, operation);
    if (reply.status !== 204) return withOperation(deps, reply, operation);
    deps.operations.discard(operation);
    return reply;
  } catch (error) {
    deps.operations.discard(operation);
    throw error;
  }
}

/**
 * The request is answered now, but arrives at the platform later: only then are its ETag, its ids and its quota looked
 * at, and a refusal can only show as the operation's failure.
 */
function writeLate(
  deps: DispatchDeps,
  given: { call: ArmCall; operation: AsyncOperation; lateMs: number; write: WriteHandler },
): Reply {
  const { call, operation, lateMs, write } = given;
  const set = deps.store.need(call.params['set'] ?? '');
  deps.agenda.after(lateMs, () => {
    try {
      const reply = write(call, operation);
      if (reply.status === 204) deps.operations.run(operation, [], 0);
    } catch (error) {
      if (!(error instanceof ArmError)) throw error;
      deps.operations.fail(operation, error.code, error.message);
    }
  });
  const hasBody = call.operation === 'VirtualMachineScaleSets_Update';
  const reply: Reply = hasBody ? { status: 200, body: scaleSetView(set, deps.operations) } : { status: 202 };
  return withOperation(deps, reply, operation);
}

function sabotage(operation: AsyncOperation, code: string): void {
  operation.sabotaged = true;
  operation.failure = { code, message: failureMessage(code) };
}

function withOperation(deps: DispatchDeps, reply: Reply, operation: AsyncOperation): Reply {
  const { settings } = deps;
  const url =
    `${deps.origin()}/subscriptions/${settings.subscriptionId}/providers/Microsoft.Compute` +
    `/locations/${settings.location}/operations/${operation.id}`;
  return {
    ...reply,
    headers: {
      'azure-asyncoperation': `${url}?api-version=2026-04-01`,
      location: `${url}?monitor=true&api-version=2026-04-01`,
      'retry-after': retryAfterSeconds(POLL_INTERVAL_MS, settings.speed),
      ...reply.headers,
    },
  };
}

// Looks at an operation are counted against the set that it works on.
function resourceOf(deps: DispatchDeps, call: ArmCall): string {
  if (call.operation !== OPERATION_STATUS) return throttledResource(call);
  return deps.operations.find(call.params['id'] ?? '')?.set ?? '';
}

function emulatorFailed(error: unknown): ArmError {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ArmError(500, 'EmulatorFailed', { message: `The emulator itself failed: ${text}` });
}
