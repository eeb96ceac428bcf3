import type { CallRecord } from '../call-log.ts';
import type { Fault, Faults } from '../faults.ts';
import { actions } from './actions.ts';
import type { Accepted, Action, Ec2Account, PreparedRequest } from './action.ts';
import { checkAuthorization, type Ec2Identity } from './authorization.ts';
import { Ec2Error, requestLimitExceeded } from './ec2-error.ts';
import { parseForm, type ParameterNode } from './parameters.ts';
import { errorDocument, successDocument } from './xml.ts';

/** One HTTP request, read completely. */
export interface RawRequest {
  requestId: string;
  authorization: string | undefined;
  body: string;
}

/** What is sent back, what is written into the log, and what is to take effect, in the order log, effect, reply. */
export interface Reply {
  record: Omit<CallRecord, 'at' | 'type' | 'cloud' | 'requestId'>;
  status: number;
  document: string;
  /** True where the connection is to be cut instead of answering. */
  isLost: boolean;
  apply(): void;
}

export interface ResponderDeps {
  account: Ec2Account;
  faults: Faults;
  identity: Ec2Identity;
}

const API_VERSION = '2016-11-15';

/** Decides about one request; what EC2 would refuse comes back as a reply, only a fault of the emulator throws. */
export function createResponder(deps: ResponderDeps): (request: RawRequest) => Reply {
  return (request) => {
    const reading: Reading = { operation: 'Unknown', mutating: false, instances: [] };
    try {
      const decided = decide(deps, request, reading);
      return replyOf(request, reading, decided);
    } catch (error) {
      if (error instanceof Ec2Error)
        return replyOf(request, reading, { accepted: { answer: {}, refusal: error } });
      throw error;
    }
  };
}

/** Throws where no call could ever be hit by this fault, or not in this way. */
export function checkFault({ kind, operation }: Fault): void {
  const action = actions.get(operation);
  if (action === undefined) throw new Error(`There is no EC2 action ${operation}.`);
  if (kind === 'operation-failed' && !action.canFailLater) {
    throw new Error(`The fault operation-failed cannot hit ${operation}: it begins nothing that could fail.`);
  }
  if (kind === 'late-effect' && !action.mutating) {
    throw new Error(`The fault late-effect cannot hit ${operation}: it has no effect.`);
  }
}

/** What is known of a request so far; it grows while the request is read, so that a refusal is logged in full. */
interface Reading {
  operation: string;
  mutating: boolean;
  instances: readonly string[];
  token?: string;
  fault?: Fault;
}

interface Decided {
  accepted: Accepted;
  apply?: () => void;
  isLost?: boolean;
}

function decide(
  { account, faults, identity }: ResponderDeps,
  request: RawRequest,
  reading: Reading,
): Decided {
  const root = parseForm(request.body);
  reading.operation = root.children.get('Action')?.value ?? 'Unknown';
  checkAuthorization(request.authorization, identity);
  const action = findAction(root);
  reading.mutating = action.mutating;
  const prepared = action.prepare(root);
  reading.instances = prepared.instances;
  if (prepared.clientToken !== undefined) reading.token = prepared.clientToken;
  account.limits.takeRequest(reading.operation, prepared.narrowed);
  const fault = faults.take(reading.operation, prepared.instances);
  if (fault !== undefined) reading.fault = fault;
  refuseByFault(fault);
  return carryOut(account, prepared, { requestId: request.requestId, fault });
}

function findAction(root: ParameterNode): Action {
  const name = root.children.get('Action')?.value ?? '';
  const action = actions.get(name);
  if (action === undefined) {
    throw new Ec2Error('InvalidAction', `The action ${name} is not valid for this web service.`);
  }
  const version = root.children.get('Version')?.value ?? '';
  if (version !== API_VERSION) {
    throw new Ec2Error(
      'NoSuchVersion',
      `The API version '${version}' is not known; expecting ${API_VERSION}.`,
    );
  }
  return action;
}

function refuseByFault(fault: Fault | undefined): void {
  if (fault === undefined) return;
  checkFault(fault);
  if (fault.kind === 'throttled') throw requestLimitExceeded();
  if (fault.kind === 'refused')
    throw new Ec2Error(fault.code ?? 'InternalError', 'Refused by an injected fault.');
}

function carryOut(
  account: Ec2Account,
  prepared: PreparedRequest,
  { requestId, fault }: { requestId: string; fault: Fault | undefined },
): Decided {
  if (prepared.isDryRun) {
    throw new Ec2Error('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.');
  }
  const failureCode = fault?.kind === 'operation-failed' ? (fault.code ?? 'InternalError') : undefined;
  const accepted = prepared.handle(account, { requestId, failureCode });
  return {
    accepted,
    apply: delayed(account, accepted, { requestId, fault }),
    isLost: fault?.kind === 'lost-reply',
  };
}

function delayed(
  { timers }: Ec2Account,
  { apply = () => undefined }: Accepted,
  { requestId, fault }: { requestId: string; fault: Fault | undefined },
): () => void {
  if (fault?.kind !== 'late-effect') return apply;
  const { delayMs = 0 } = fault;
  return () => timers.set(`late ${requestId}`, delayMs, apply);
}

function replyOf(request: RawRequest, reading: Reading, { accepted, apply, isLost = false }: Decided): Reply {
  const { refusal } = accepted;
  const { fault, instances, ...known } = reading;
  const status = refusal?.status ?? 200;
  return {
    record: {
      ...known,
      instances: [...instances],
      status: isLost ? 0 : status,
      ...(refusal === undefined ? {} : { code: refusal.code }),
      ...(fault === undefined ? {} : { fault: fault.kind }),
    },
    status,
    document:
      refusal === undefined
        ? successDocument(reading.operation, request.requestId, accepted.answer)
        : errorDocument(request.requestId, refusal),
    isLost,
    apply: apply ?? (() => undefined),
  };
}
