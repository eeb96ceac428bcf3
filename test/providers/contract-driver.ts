import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import type { FleetErrorDetails } from '../../src/fleet/errors.ts';
import type {
  BatchCall,
  LaunchedInstance,
  Look,
  Placement,
  Progress,
  Provider,
  Verb,
} from '../../src/fleet/provider.ts';

/** A cloud that a driver can act on: what the contract's setups hand out, in as far as sending and looking need it. */
export interface Drivable {
  provider: Provider;
  placement: Placement;
  /** Calls that the far side has received so far, refused ones included. */
  calls(): number;
  /** The most calls one poll may take for this many batches of a few machines each. */
  mostCallsPerPoll(batches: number): number;
  /** Lets time pass between two looks: real time for a cloud over the wire, the fake clock's for one in process. */
  pass(ms: number): Promise<void>;
}

export type Outcomes = Look['outcomes'];

const DEADLINE_MS = 20_000;

export function deadlineSignal(): AbortSignal {
  return AbortSignal.timeout(DEADLINE_MS);
}

export function launchCall(under: Pick<Drivable, 'placement'>, count: number): BatchCall {
  const members = Array.from({ length: count }, () => ({ machine: randomUUID(), instance: null }));
  return { batch: randomUUID(), verb: 'launch', placement: under.placement, members, handle: null };
}

export function callFor(under: Pick<Drivable, 'placement'>, verb: Verb, ids: readonly string[]): BatchCall {
  const members = ids.map((instance) => ({ machine: randomUUID(), instance }));
  return { batch: randomUUID(), verb, placement: under.placement, members, handle: null };
}

export function send(under: Pick<Drivable, 'provider'>, call: BatchCall): Promise<Look> {
  return under.provider[call.verb](call, deadlineSignal());
}

/** Launches and looks until every machine is reachable or gone. */
export async function launch(under: Drivable, count: number): Promise<Look> {
  const call = launchCall(under, count);
  return watch(under, call, await send(under, call));
}

export async function launchIds(under: Drivable, count: number): Promise<string[]> {
  const look = await launch(under, count);
  expect(look.launched).toHaveLength(count);
  return look.launched.map((instance) => instance.instance);
}

export async function launchPair(under: Drivable): Promise<[string, string]> {
  const [one = '', two = ''] = await launchIds(under, 2);
  return [one, two];
}

/** Sends one act to these instances and looks until each has its outcome. */
export async function act(
  under: Drivable,
  verb: Exclude<Verb, 'launch'>,
  ids: readonly string[],
): Promise<Outcomes> {
  const call = callFor(under, verb, ids);
  return (await watch(under, call, await send(under, call))).outcomes;
}

/** Looks until `until` holds, showing each look to `until`; throws at the deadline. */
export async function watch(
  under: Drivable,
  call: BatchCall,
  ...[first, until = isDecided]: [Look, ((look: Look) => boolean)?]
): Promise<Look> {
  const deadline = performance.now() + DEADLINE_MS;
  let look = first;
  while (!until(look)) {
    look = only(await lookAgain(under, [call], { looks: [look], deadline }));
  }
  return look;
}

/** Looks at several batches with one poll at a time, until all are decided. */
export async function watchTogether(
  under: Drivable,
  calls: readonly BatchCall[],
  first: readonly Look[],
): Promise<readonly Look[]> {
  const deadline = performance.now() + DEADLINE_MS;
  let looks = first;
  while (!looks.every((look) => isDecided(look))) {
    const before = under.calls();
    looks = await lookAgain(under, calls, { looks, deadline });
    expect(under.calls() - before).toBeLessThanOrEqual(under.mostCallsPerPoll(calls.length));
  }
  return looks;
}

async function lookAgain(
  under: Drivable,
  calls: readonly BatchCall[],
  at: { looks: readonly Look[]; deadline: number },
): Promise<Look[]> {
  if (performance.now() > at.deadline) {
    throw new Error(`Undecided at the deadline: ${JSON.stringify(at.looks)}`);
  }
  await under.pass(Math.max(1, ...at.looks.map((look) => look.lookInMs)));
  const next = calls.map((call, index) => ({ ...call, handle: at.looks[index]?.handle ?? null }));
  const looks = await under.provider.poll(next, deadlineSignal());
  expect(looks).toHaveLength(calls.length);
  return looks;
}

/** Sends each call as soon as its forerunner in the lane lets it. */
export async function sendInTurn(under: Drivable, calls: readonly BatchCall[]): Promise<Look[]> {
  const looks: Look[] = [];
  for (const call of calls) {
    looks.push(await watch(under, call, await send(under, call), (look) => !look.holdsLane));
  }
  return looks;
}

/** True once nothing of a call is pending any more. */
export function isDecided(look: Look): boolean {
  const waits = Object.values(look.outcomes).some((outcome) => outcome.state === 'pending');
  return look.settled && !waits && look.launched.every((each) => each.state === 'gone' || isReachable(each));
}

function isReachable(instance: LaunchedInstance): boolean {
  return instance.state === 'running' && instance.address !== null;
}

export function idsOf(look: Look): string[] {
  return look.launched.map((instance) => instance.instance);
}

export function statesOf(outcomes: Outcomes): Record<string, string> {
  return Object.fromEntries(Object.entries(outcomes).map(([id, outcome]) => [id, outcome.state]));
}

export function allBe(ids: readonly string[], state: Progress['state']): Record<string, string> {
  return Object.fromEntries(ids.map((id) => [id, state]));
}

export function only<Item>(items: readonly Item[]): Item {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`Expected one item, got ${items.length}`);
  return item;
}

/** The FleetError that this rejects with; fails the test where it resolves or rejects with anything else. */
export async function refusalOf(
  promise: Promise<unknown>,
  expected: Partial<FleetErrorDetails> = {},
): Promise<FleetError> {
  const error = await promise.then(
    () => new Error('Expected a refusal, but the call was answered'),
    (thrown: unknown) => thrown,
  );
  return expectFleetError(error, expected);
}

export function failureOf(outcome: Progress | undefined): FleetError {
  if (outcome?.state !== 'failed') throw new Error(`Expected a failure, got ${JSON.stringify(outcome)}`);
  return expectFleetError(outcome.error, {});
}

export function expectFleetError(error: unknown, expected: Partial<FleetErrorDetails>): FleetError {
  if (!(error instanceof FleetError)) throw new Error('Expected a FleetError', { cause: error });
  expect(error).toMatchObject(expected);
  expect(error.message).not.toBe('');
  return error;
}
