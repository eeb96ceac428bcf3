import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, Look, Progress } from '../../fleet/provider.ts';
import type { Accepted, Order } from './client.ts';
import { isAboutInstances, notActiveNumbers } from './failures.ts';
import type { SendDeps } from './grow.ts';
import { numbersOf } from './instance-numbers.ts';
import { isPreempted, operationEndSchema, operationFailure } from './operation.ts';
import type { OperationEnd } from './operation.ts';
import { instanceOf } from './placement.ts';
import type { ScaleSet } from './placement.ts';
import { toMachine, toSetModel } from './translate.ts';
import type { Machine } from './translate.ts';

/** Why an instance was left out of its batch's call. */
const whySchema = Type.Union([Type.Literal('gone'), Type.Literal('deleting'), Type.Literal('unfit')]);
type Why = Static<typeof whySchema>;

const handleSchema = Type.Object({
  verb: Type.Union([
    Type.Literal('start'),
    Type.Literal('stop'),
    Type.Literal('reset'),
    Type.Literal('delete'),
  ]),
  operation: Type.Union([Type.Null(), Type.String()]),
  sentAtMs: Type.Number(),
  /** By instance number. */
  dropped: Type.Record(Type.String(), whySchema),
  /** How often a preempted deletion was sent again. */
  resent: Type.Number(),
  end: Type.Union([Type.Null(), operationEndSchema]),
});
export type ActHandle = Static<typeof handleSchema>;

export interface ActTarget {
  call: BatchCall;
  set: ScaleSet;
  verb: ActHandle['verb'];
}

/** Undefined where nothing of the call is known yet. Throws FleetError `mismatch` for somebody else's handle. */
export function toActHandle(call: BatchCall): ActHandle | undefined {
  if (call.handle === null) return undefined;
  if (Value.Check(handleSchema, call.handle) && call.handle.verb === call.verb) return call.handle;
  throw new FleetError(`The handle of batch ${call.batch} is not that of a ${call.verb} in a scale set.`, {
    code: 'mismatch',
    remedy: 'give-up',
  });
}

const MOST_ROUNDS = 3;

/**
 * Sends the call for all its members in one request. Where Azure refuses it because of some of them, a listing tells
 * which those are, and the others are sent without them.
 */
export async function sendAct(
  deps: SendDeps,
  target: ActTarget,
  signal: AbortSignal,
): Promise<{ handle: ActHandle; retryAfterMs: number | undefined }> {
  const { set, verb } = target;
  const dropped: Record<string, Why> = {};
  let numbers = numbersOf(set, target.call);
  for (let round = 0; numbers.length > 0; round += 1) {
    try {
      const accepted = await order(deps, { set, verb, numbers }, signal);
      return {
        handle: sent(verb, accepted, { dropped, nowMs: deps.nowMs() }),
        retryAfterMs: accepted.retryAfterMs,
      };
    } catch (error) {
      if (!isAboutInstances(error)) throw error;
      if (round + 1 === MOST_ROUNDS) throw aboutNobody(error);
      const machines = (await deps.client.listMachines(set, signal)).map(toMachine);
      const found = offenders({ verb, numbers, machines, error });
      if (Object.keys(found).length === 0) throw aboutNobody(error);
      Object.assign(dropped, found);
      numbers = numbers.filter((number) => !(number in found));
    }
  }
  const nothing: Accepted = { operation: null, finished: true, retryAfterMs: undefined };
  return { handle: sent(verb, nothing, { dropped, nowMs: deps.nowMs() }), retryAfterMs: 0 };
}

/** Sends a preempted deletion again for those that are left. Deleting twice is harmless. */
export async function resendDeletion(
  deps: SendDeps,
  { target, handle, numbers }: { target: ActTarget; handle: ActHandle; numbers: readonly string[] },
  signal: AbortSignal,
): Promise<ActHandle> {
  const accepted = await order(deps, { set: target.set, verb: 'delete', numbers }, signal);
  const again = sent('delete', accepted, { dropped: handle.dropped, nowMs: deps.nowMs() });
  return { ...again, resent: handle.resent + 1 };
}

/** The look of a call whose operation runs. */
export function actRuns({ call, set }: ActTarget, handle: ActHandle, lookInMs: number): Look {
  const outcomes = Object.fromEntries(
    numbersOf(set, call).map((number): [string, Progress] => {
      const why = handle.dropped[number];
      const early = handle.verb === 'delete' || why === undefined;
      return [
        instanceOf(set, number),
        early ? { state: 'pending' } : { state: 'failed', error: leftOut(number, why) },
      ];
    }),
  );
  return toLook(handle, outcomes, { holdsLane: true, lookInMs });
}

/**
 * The look of a start, stop or reset whose operation has ended. Only the operation tells: an instance that runs may
 * run because its reset has not begun, or was given up halfway.
 */
export function judgeAct({ call, set }: ActTarget, handle: ActHandle, end: OperationEnd): Look {
  const outcomes = Object.fromEntries(
    numbersOf(set, call).map((number): [string, Progress] => {
      const why = handle.dropped[number];
      const instance = instanceOf(set, number);
      if (why !== undefined) return [instance, { state: 'failed', error: leftOut(number, why) }];
      if (end.as === 'succeeded') return [instance, { state: 'done' }];
      return [instance, { state: 'failed', error: unsuccessful(end, handle.verb) }];
    }),
  );
  return toLook(handle, outcomes, { holdsLane: false, lookInMs: 0 });
}

/** How long after its operation's end an instance may still be listed before its deletion counts as failed. */
const VANISHING_MS = 5 * 60_000;
const NEXT_LOOK_MS = 1000;
const MOST_RESENT = 3;

/**
 * The look of a deletion whose operation has ended: done is what a whole listing no longer shows. It holds the lane
 * no longer, so that one instance that does not go away holds up nobody.
 */
export function judgeDeletion(
  { call, set }: ActTarget,
  handle: ActHandle & { end: OperationEnd },
  { machines, nowMs }: { machines: readonly Machine[]; nowMs: number },
): Look {
  const listed = new Map(machines.map((machine) => [machine.number, machine]));
  const late = nowMs > handle.end.atMs + VANISHING_MS;
  const outcomes = Object.fromEntries(
    numbersOf(set, call).map((number): [string, Progress] => {
      const machine = listed.get(number);
      const waits = machine?.state === 'deleting' || handle.end.as === 'succeeded';
      const outcome: Progress =
        machine === undefined
          ? { state: 'done' }
          : waits && !late
            ? { state: 'pending' }
            : { state: 'failed', error: stillThere(number, handle.end) };
      return [instanceOf(set, number), outcome];
    }),
  );
  const pending = Object.values(outcomes).some(({ state }) => state === 'pending');
  return toLook(handle, outcomes, { holdsLane: false, lookInMs: pending ? NEXT_LOOK_MS : 0 });
}

/** The instances for which a deletion is to be sent again: its end tells nothing about them and they are still there. */
export function toDeleteAgain(
  { call, set }: ActTarget,
  handle: ActHandle & { end: OperationEnd },
  machines: readonly Machine[],
): string[] {
  if (handle.resent >= MOST_RESENT || !(isPreempted(handle.end) || handle.end.as === 'unknown')) return [];
  const alive = new Set(machines.filter(({ state }) => state !== 'deleting').map(({ number }) => number));
  return numbersOf(set, call).filter((number) => alive.has(number));
}

async function order(
  { client, installation }: SendDeps,
  { set, verb, numbers }: { set: ScaleSet; verb: Order['verb']; numbers: readonly string[] },
  signal: AbortSignal,
): Promise<Accepted> {
  await client.take(verb, set);
  if (verb !== 'reset') return client.act(set, { verb, numbers, ephemeral: false }, signal);
  const model = toSetModel(set, await client.readSet(set, signal), installation);
  if (model.hasDataDisks) {
    throw new FleetError(
      `The scale set ${set.name} has data disks, which a reimage does not clean: delete its machines after use, or remove the disks from its model.`,
      { code: 'refused', remedy: 'give-up' },
    );
  }
  return client.act(set, { verb, numbers, ephemeral: model.ephemeral }, signal);
}

function sent(
  verb: ActHandle['verb'],
  { operation, finished }: Accepted,
  { dropped, nowMs }: { dropped: Record<string, Why>; nowMs: number },
): ActHandle {
  const end = { as: finished ? 'succeeded' : 'unknown', atMs: nowMs, code: '', message: '' } as const;
  return { verb, operation, sentAtMs: nowMs, dropped, resent: 0, end: operation === null ? end : null };
}

function offenders(given: {
  verb: ActHandle['verb'];
  numbers: readonly string[];
  machines: readonly Machine[];
  error: FleetError;
}): Record<string, Why> {
  const listed = new Map(given.machines.map((machine) => [machine.number, machine]));
  const named = new Set(notActiveNumbers(given.error.message));
  return Object.fromEntries(
    given.numbers.flatMap((number): [string, Why][] => {
      const machine = listed.get(number);
      if (machine === undefined) return [[number, 'gone']];
      if (machine.state === 'deleting') return [[number, 'deleting']];
      const isUnfit = given.verb !== 'delete' && ['Creating', 'Failed'].includes(machine.provisioning);
      // Named by the refusal and yet listed: left out, but nobody may take it for gone.
      return isUnfit || named.has(number) ? [[number, 'unfit']] : [];
    }),
  );
}

/** The refusal of a call of which nobody knows whom it is about: it must not read as if all of them were gone. */
function aboutNobody(error: FleetError): FleetError {
  return new FleetError(error.message, {
    code: 'wrong-state',
    remedy: 'retry-later',
    cause: error,
    ...(error.vendorCode === undefined ? {} : { vendorCode: error.vendorCode }),
  });
}

const WHY: Record<Why, string> = {
  gone: 'Azure says that it does not exist',
  deleting: 'it is being deleted',
  unfit: 'Azure does not act on it, because its creation is not complete or has failed',
};

function leftOut(number: string, why: Why): FleetError {
  return new FleetError(`Instance ${number} was left out of the call: ${WHY[why]}.`, {
    code: why === 'gone' ? 'not-found' : 'wrong-state',
    remedy: why === 'gone' ? 'gone' : 'give-up',
  });
}

function unsuccessful(end: OperationEnd, verb: string): FleetError {
  if (end.as === 'failed') return operationFailure(end, `${verb} instances`);
  return new FleetError(
    `Nobody can say any more what became of the ${verb}: ${end.message || 'its operation is unknown'}.`,
    {
      code: 'unknown-reply',
      remedy: 'retry',
    },
  );
}

function stillThere(number: string, end: OperationEnd): FleetError {
  if (end.as === 'failed') return operationFailure(end, `delete instance ${number}`);
  return new FleetError(`Instance ${number} is still listed after its deletion has ended.`, {
    code: 'conflict',
    remedy: 'retry',
  });
}

function toLook(
  handle: ActHandle,
  outcomes: Record<string, Progress>,
  pace: Pick<Look, 'holdsLane' | 'lookInMs'>,
): Look {
  return { handle, ...pace, outcomes, launched: [], settled: true };
}
