import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, Look } from '../../fleet/provider.ts';
import { actRuns, judgeAct, judgeDeletion, resendDeletion, toActHandle, toDeleteAgain } from './act.ts';
import type { ActHandle, ActTarget } from './act.ts';
import { growthRuns, judgeGrowth, toGrowHandle } from './grow.ts';
import type { GrowHandle, GrowthEvidence, SendDeps } from './grow.ts';
import { isPreempted, LONGEST_OPERATION_MS } from './operation.ts';
import type { OperationEnd } from './operation.ts';
import { toScaleSet } from './placement.ts';
import type { ScaleSet } from './placement.ts';
import { toAddresses, toMachine, toSetModel } from './translate.ts';

/**
 * Looks at calls of one scale set: one request for each operation that may still run, and one listing of instances
 * (one of network cards, where there is a launch) for all whose operation has ended. The listing comes last, so that
 * it shows what the operations have done.
 */
export async function watch(
  deps: SendDeps,
  calls: readonly BatchCall[],
  signal: AbortSignal,
): Promise<Look[]> {
  const set = commonSet(calls);
  if (set === undefined) return [];
  const followed: Followed[] = [];
  for (const call of calls) followed.push(await follow(deps, { call, set }, signal));
  const evidence = await gather(deps, { set, followed }, signal);
  const looks: Look[] = [];
  for (const each of followed) looks.push(await judge(deps, { set, followed: each, evidence }, signal));
  return looks;
}

const FIRST_LOOK_MS = 500;
const SLOWEST_LOOK_MS = 10_000;

/** When to look at an operation again: as Azure says, otherwise less and less often. */
export function nextLookMs(ageMs: number, retryAfterMs: number | undefined): number {
  return retryAfterMs ?? Math.min(SLOWEST_LOOK_MS, Math.max(FIRST_LOOK_MS, ageMs / 4));
}

type Followed =
  | { kind: 'launch'; call: BatchCall; handle: GrowHandle; lookInMs: number }
  /** `ended`: this look has found the end, and the lane is still this call's. */
  | {
      kind: 'act';
      call: BatchCall;
      verb: ActHandle['verb'];
      handle: ActHandle;
      lookInMs: number;
      ended: boolean;
    };

interface Target {
  call: BatchCall;
  set: ScaleSet;
}

interface Seen {
  end: OperationEnd | null;
  lookInMs: number;
}

function commonSet(calls: readonly BatchCall[]): ScaleSet | undefined {
  const [set, ...others] = calls.map((call) => toScaleSet(call.placement.spec));
  if (others.every((other) => other.id === set?.id)) return set;
  throw new FleetError('One look is only ever at calls of one lane, that is of one scale set.', {
    code: 'invalid',
    remedy: 'give-up',
  });
}

async function follow(deps: SendDeps, { call, set }: Target, signal: AbortSignal): Promise<Followed> {
  const { verb } = call;
  if (verb === 'launch') {
    const handle = toGrowHandle(call) ?? neverSent(call);
    return { kind: 'launch', call, ...(await followGrowth(deps, { handle, set }, signal)) };
  }
  const handle = toActHandle(call) ?? neverSent(call);
  const { end, lookInMs } = await followOperation(deps, { handle, set }, signal);
  return {
    kind: 'act',
    call,
    verb,
    handle: { ...handle, end },
    lookInMs,
    ended: handle.end === null && end !== null,
  };
}

async function followGrowth(
  deps: SendDeps,
  { handle, set }: { handle: GrowHandle; set: ScaleSet },
  signal: AbortSignal,
): Promise<{ handle: GrowHandle; lookInMs: number }> {
  if (handle.end !== null || handle.operation !== null) {
    const { end, lookInMs } = await followOperation(deps, { handle, set }, signal);
    const isOpen = handle.end === null && end !== null && (end.as === 'unknown' || isPreempted(end));
    if (!isOpen) return { handle: { ...handle, end }, lookInMs };
  }
  // The operation tells nothing (its URL was lost, has expired, or a later write took its work over), but the
  // growth is marked on the set: then the set's own state says when it is over.
  const { end, lookInMs } = await followSet(deps, { handle, set }, signal);
  return { handle: { ...handle, operation: null, end }, lookInMs };
}

async function followOperation(
  { client, nowMs }: SendDeps,
  { handle, set }: { handle: Pick<GrowHandle, 'operation' | 'sentAtMs' | 'end'>; set: ScaleSet },
  signal: AbortSignal,
): Promise<Seen> {
  const ageMs = nowMs() - handle.sentAtMs;
  if (handle.end !== null) return { end: handle.end, lookInMs: 0 };
  if (handle.operation === null || ageMs > LONGEST_OPERATION_MS) return unknown(nowMs());
  const report = await client.readOperation(set, handle.operation, signal);
  if (report === undefined) return unknown(nowMs());
  if (report.end !== undefined) return { end: { ...report.end, atMs: nowMs() }, lookInMs: 0 };
  return { end: null, lookInMs: nextLookMs(ageMs, report.retryAfterMs) };
}

async function followSet(
  { client, installation, nowMs }: SendDeps,
  { handle, set }: { handle: GrowHandle; set: ScaleSet },
  signal: AbortSignal,
): Promise<Seen> {
  const ageMs = nowMs() - handle.sentAtMs;
  if (ageMs > LONGEST_OPERATION_MS) return unknown(nowMs());
  const { provisioningState } = toSetModel(set, await client.readSet(set, signal), installation);
  if (provisioningState === 'Succeeded') {
    return { end: { as: 'succeeded', atMs: nowMs(), code: '', message: '' }, lookInMs: 0 };
  }
  if (provisioningState !== 'Failed') return { end: null, lookInMs: nextLookMs(ageMs, undefined) };
  const message = 'The state of the scale set is Failed; the operation that could say why is not known.';
  return { end: { as: 'failed', atMs: nowMs(), code: 'ProvisioningStateFailed', message }, lookInMs: 0 };
}

async function gather(
  { client, nowMs }: SendDeps,
  { set, followed }: { set: ScaleSet; followed: readonly Followed[] },
  signal: AbortSignal,
): Promise<GrowthEvidence> {
  const ended = followed.filter(({ handle }) => handle.end !== null);
  const hasLaunch = ended.some(({ kind }) => kind === 'launch');
  const hasDeletion = ended.some((each) => each.kind === 'act' && each.verb === 'delete');
  const machines = hasLaunch || hasDeletion ? (await client.listMachines(set, signal)).map(toMachine) : [];
  const cards = hasLaunch ? await client.listCards(set, signal) : [];
  return { set, machines, addresses: toAddresses(set, cards), nowMs: nowMs() };
}

async function judge(
  deps: SendDeps,
  { set, followed, evidence }: { set: ScaleSet; followed: Followed; evidence: GrowthEvidence },
  signal: AbortSignal,
): Promise<Look> {
  const { call, handle, lookInMs } = followed;
  if (followed.kind === 'launch') {
    if (handle.end === null) return growthRuns(followed.handle, lookInMs);
    return judgeGrowth(call, followed.handle, evidence);
  }
  const target: ActTarget = { call, set, verb: followed.verb };
  const { end } = followed.handle;
  if (end === null) return actRuns(target, followed.handle, lookInMs);
  if (followed.verb !== 'delete') return judgeAct(target, followed.handle, end);
  const ended = { ...followed.handle, end };
  // Only while the lane is still this call's: a deletion sent later would preempt somebody else's call.
  const numbers = followed.ended ? toDeleteAgain(target, ended, evidence.machines) : [];
  if (numbers.length === 0) return judgeDeletion(target, ended, evidence);
  const again = await resendDeletion(deps, { target, handle: ended, numbers }, signal);
  return actRuns(target, again, FIRST_LOOK_MS);
}

function unknown(atMs: number): Seen {
  return { end: { as: 'unknown', atMs, code: '', message: '' }, lookInMs: 0 };
}

function neverSent(call: BatchCall): never {
  throw new FleetError(
    `Batch ${call.batch} has no handle: whether it was sent is not known, so it is to be sent again.`,
    {
      code: 'unknown-reply',
      remedy: 'retry',
      maybeExecuted: true,
    },
  );
}
