import { FleetError, type FleetErrorDetails } from '../../fleet/errors.ts';
import type {
  BatchCall,
  Inventory,
  InventoryItem,
  LeftOver,
  Look,
  Placement,
  Progress,
} from '../../fleet/provider.ts';
import { CALL_FAULTS, type CallFault } from '../faults.ts';
import type { CallEntry } from '../history.ts';
import type { CloudWorld } from './cloud-world.ts';
import { type Change, createEstate, type Estate, type Instance, type Operation } from './estate.ts';

/** What a request is answered with; the answer still has its way to go. */
export type Reply<T> = { answer: T } | { error: FleetError };

export interface FarSide {
  instances: ReadonlyMap<string, Instance>;
  /** By id. */
  leftOvers: ReadonlyMap<string, LeftOver>;
  evict(instance: Instance): void;
  interrupt(instance: Instance): void;
  stray(placement: Placement): void;
  /** A mutating request has arrived. */
  receive(call: BatchCall): Reply<Look>;
  poll(calls: readonly BatchCall[]): Reply<Look[]>;
  list(placement: Placement): Reply<Inventory>;
  deleteLeftOver(id: string): Reply<undefined>;
  /** True where a guest answers at this address. */
  answers(address: string): boolean;
}

/** The cloud itself, as an account that every process reaches. */
export function createFarSide(world: CloudWorld): FarSide {
  const far: Far = {
    world,
    estate: createEstate(world),
    requests: 0,
    inDoubt: new Set(),
    refused: new Set(),
  };
  const { instances, leftOvers } = far.estate;
  return {
    ...{ instances, leftOvers },
    ...{ evict: far.estate.evict, interrupt: far.estate.interrupt, stray: far.estate.stray },
    receive: (call) => receive(far, call),
    poll: (calls) => poll(far, calls),
    list: (placement) => list(far, placement),
    deleteLeftOver: (id) => deleteLeftOver(far, id),
    answers(address) {
      const nowMs = world.scheduler.nowMs();
      const guests = [...instances.values()].filter((each) => each.address === address);
      return guests.some((guest) => guest.answersAtMs !== null && guest.answersAtMs <= nowMs);
    },
  };
}

interface Far {
  world: CloudWorld;
  estate: Estate;
  requests: number;
  /** Tokens of calls whose answer has not arrived. */
  inDoubt: Set<string>;
  /** Tokens of launches that were refused. */
  refused: Set<string>;
}

function log(
  far: Far,
  entry: Pick<CallEntry, 'verb' | 'operation' | 'instances'> & Partial<CallEntry>,
): string {
  far.requests += 1;
  const requestId = `r-${far.requests}`;
  const at = far.world.scheduler.nowMs();
  far.world.history.push({
    ...{ type: 'call', cloud: 'memory', at, answeredAt: at, requestId, unaddressed: false, token: null },
    ...{ status: 200, code: null, fault: null },
    ...entry,
  });
  return requestId;
}

const FAILURES: Record<CallFault, FleetErrorDetails & { status: number }> = {
  throttled: { code: 'throttled', remedy: 'retry-later', retryAfterMs: 1500, status: 429 },
  refused: { code: 'refused', remedy: 'give-up', status: 400 },
  unavailable: { code: 'unavailable', remedy: 'retry', status: 503 },
  lostReply: { code: 'unknown-reply', remedy: 'retry', maybeExecuted: true, status: 0 },
  lateEffect: { code: 'unknown-reply', remedy: 'retry', maybeExecuted: true, status: 0 },
};

function receive(far: Far, call: BatchCall): Reply<Look> {
  const { verb, batch } = call;
  const instances = call.members.flatMap((member) => member.instance ?? []);
  const named = { verb, operation: verb, instances, token: batch };
  const fault = meets(far, call);
  if (fault === undefined) {
    execute(far, call, log(far, named));
    return { answer: look(far, call) };
  }
  const { status, ...details } = FAILURES[fault];
  const request = log(far, { ...named, status, code: status === 0 ? null : details.code, fault });
  if (details.maybeExecuted === true) far.inDoubt.add(batch);
  if (fault === 'lateEffect') executeLater(far, call, request);
  if (fault === 'lostReply') execute(far, call, request);
  return { error: new FleetError(`${verb} ${batch}: ${fault}`, details) };
}

/**
 * What goes wrong with this call, if anything. The cloud answers for a launch's token, not for the request: one that
 * it has executed, or that is on its way, it does not refuse for good, and one that it has refused stays refused. (A
 * cloud that does otherwise makes an instance for a batch that is over, which only a sweep finds, and which may take
 * its pool over the limit until it is gone.)
 */
function meets(far: Far, call: BatchCall): CallFault | undefined {
  if (far.refused.has(call.batch)) return 'refused';
  const isBound =
    call.verb === 'launch' && (far.inDoubt.has(call.batch) || far.estate.operations.has(call.batch));
  const fault = CALL_FAULTS.find((each) => !(isBound && each === 'refused') && far.world.isFaulty(each));
  if (fault === 'refused' && call.verb === 'launch') far.refused.add(call.batch);
  return fault;
}

/** On its way for longer than its sender waited: executed then, unless a replay was faster and the cloud remembers. */
function executeLater(far: Far, call: BatchCall, request: string): void {
  const { random, scheduler } = far.world;
  const label = `cloud executes ${call.verb} ${call.batch} at last`;
  scheduler.timer(null, random.between(500, 40_000), { label, fire: () => execute(far, call, request) });
}

function execute(far: Far, call: BatchCall, request: string): void {
  const { estate, world } = far;
  if (estate.operations.has(call.batch) && world.plan.replaySafe.includes(call.verb)) return;
  if (call.verb !== 'launch') {
    const { changes } = estate.change(call, request);
    logUndeletable(far, changes);
    return;
  }
  const wanted = call.members.length;
  const count = world.isFaulty('partialLaunch') ? world.random.between(0, wanted - 1) : wanted;
  const laterCount = world.isFaulty('slowLaunch') ? world.random.between(0, count) : 0;
  estate.launch(call, { id: request, count: count - laterCount, laterCount });
}

/** One that cannot be deleted is asked for again by itself, and refused. */
function logUndeletable(far: Far, changes: ReadonlyMap<string, Change>): void {
  for (const [instance, change] of changes) {
    if (change.state !== 'failed' || change.why !== 'refused') continue;
    log(far, { verb: 'delete', operation: 'delete', instances: [instance], status: 400, code: 'refused' });
  }
}

const READ_FAULTS = ['throttled', 'unavailable'] as const;

function readFailure(far: Far): (typeof READ_FAULTS)[number] | undefined {
  return READ_FAULTS.find((each) => far.world.isFaulty(each));
}

function failedRead(far: Far, operation: string, fault: (typeof READ_FAULTS)[number]): { error: FleetError } {
  const failure = FAILURES[fault];
  log(far, { verb: 'read', operation, instances: [], status: failure.status, code: failure.code, fault });
  return { error: new FleetError(`${operation}: ${fault}`, failure) };
}

function poll(far: Far, calls: readonly BatchCall[]): Reply<Look[]> {
  const fault = readFailure(far);
  if (fault !== undefined) return failedRead(far, 'poll', fault);
  const named = calls.flatMap((call) => {
    const operation = far.estate.operations.get(call.batch);
    return [...(operation?.changes.keys() ?? []), ...(operation?.launched ?? []).map((each) => each.id)];
  });
  log(far, { verb: 'read', operation: 'poll', instances: named });
  return { answer: calls.map((call) => look(far, call)) };
}

function look(far: Far, call: BatchCall): Look {
  const { plan, random } = far.world;
  const operation = far.estate.operations.get(call.batch);
  const lookInMs = random.between(100, 1500);
  // A call that was never executed is to be sent again: only a replay can move it on.
  const unknown = {
    handle: call.batch,
    holdsLane: false,
    lookInMs,
    outcomes: {},
    launched: [],
    settled: false,
  };
  if (operation === undefined) return unknown;
  const isShort = call.verb === 'launch' && operation.settled && operation.launched.length < operation.asked;
  const isPending = !operation.settled && call.verb === 'launch';
  const changes = [...operation.changes.values()];
  return {
    ...unknown,
    holdsLane: plan.lanes === 'set' && (isPending || changes.some((change) => change.state === 'pending')),
    outcomes: outcomesOf(call, operation),
    launched: operation.launched.map((each) => toLaunched(call, each)),
    settled: operation.settled || call.verb !== 'launch',
    ...(isShort && {
      error: new FleetError('no more room', { code: 'capacity', remedy: 'retry-elsewhere' }),
    }),
  };
}

function outcomesOf(call: BatchCall, operation: Operation): Record<string, Progress> {
  const outcomes: Record<string, Progress> = {};
  for (const { instance } of call.members) {
    if (instance !== null) outcomes[instance] = toProgress(call, operation.changes.get(instance));
  }
  return outcomes;
}

function toProgress(call: BatchCall, change: Change | undefined): Progress {
  if (change === undefined || change.state === 'pending') return { state: 'pending' };
  // Only a look that asks after the instance itself may say that it is gone.
  if (change.state === 'done')
    return { state: call.handle === null && call.verb === 'delete' ? 'pending' : 'done' };
  const details = { code: change.why === 'gone' ? 'not-found' : 'internal', remedy: 'give-up' } as const;
  return { state: 'failed', error: new FleetError(`${call.verb}: ${change.why}`, details) };
}

function toLaunched(call: BatchCall, instance: Instance): Look['launched'][number] {
  const { id, state, address } = instance;
  // Only a look that asks after the instance itself may say that it is gone.
  if (state === 'gone' && call.handle !== null) return { instance: id, state: 'gone', address: null };
  if (state === 'gone' || state === 'deleting') return { instance: id, state: 'pending', address: null };
  return state === 'pending'
    ? { instance: id, state: 'pending', address: null }
    : { instance: id, state: 'running', address };
}

const NAMED_GONE_MS = 30_000;

/** A whole listing, as things stood a while ago. */
function list(far: Far, placement: Placement): Reply<Inventory> {
  const fault = readFailure(far);
  if (fault !== undefined) return failedRead(far, 'list', fault);
  const { plan, random, scheduler } = far.world;
  const asOfMs = scheduler.nowMs() - random.between(0, plan.lagMs);
  log(far, { verb: 'read', operation: 'list', instances: [] });
  const isHere = (each: { placement: Placement }): boolean =>
    each.placement.pool === placement.pool && each.placement.name === placement.name;
  const here = [...far.estate.instances.values()].filter(isHere);
  const lags = here.some(
    (each) => each.bornAtMs > asOfMs || (each.goneAtMs !== null && each.goneAtMs > asOfMs),
  );
  if (lags) far.world.count('laggingListing');
  const instances = here.flatMap((each) => listed(far, each, asOfMs) ?? []);
  const disks = [...far.estate.leftOvers.values()].filter((each) => isHere(each) && each.bornAtMs <= asOfMs);
  return { answer: { instances, leftOvers: disks.map(({ kind, id }) => ({ kind, id })) } };
}

const REMOVAL_FAULTS = ['throttled', 'refused', 'unavailable', 'lostReply'] as const;

function deleteLeftOver(far: Far, id: string): Reply<undefined> {
  const fault = REMOVAL_FAULTS.find((each) => far.world.isFaulty(each));
  const named = { verb: 'other' as const, operation: 'deleteLeftOver', instances: [] };
  if (fault === undefined || fault === 'lostReply') far.estate.leftOvers.delete(id);
  if (fault === undefined) {
    log(far, named);
    return { answer: undefined };
  }
  const { status, ...details } = FAILURES[fault];
  log(far, { ...named, status, code: status === 0 ? null : details.code, fault });
  return { error: new FleetError(`deleteLeftOver ${id}: ${fault}`, details) };
}

function listed(far: Far, each: Instance, asOfMs: number): InventoryItem | undefined {
  if (each.bornAtMs > asOfMs) return undefined;
  const batch = far.world.plan.lanes === 'set' ? null : each.batch;
  const item = { instance: each.id, address: each.address, batch, interrupted: each.isInterrupted };
  if (each.goneAtMs === null) return { ...item, state: each.state };
  if (each.goneAtMs > asOfMs) return { ...item, state: 'running' };
  const isNamed = far.world.plan.listsGone && far.world.scheduler.nowMs() - each.goneAtMs < NAMED_GONE_MS;
  return isNamed ? { ...item, state: 'gone' } : undefined;
}
