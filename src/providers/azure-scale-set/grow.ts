import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, LaunchedInstance, Look } from '../../fleet/provider.ts';
import type { Accepted, AzureClient } from './client.ts';
import { isStale } from './failures.ts';
import { findGrowth, withGrowth } from './growth-marker.ts';
import type { GrowthMarker } from './growth-marker.ts';
import { operationEndSchema, operationFailure } from './operation.ts';
import type { OperationEnd } from './operation.ts';
import { instanceOf } from './placement.ts';
import type { ScaleSet } from './placement.ts';
import { toMachine, toSetModel } from './translate.ts';
import type { Machine, SetModel } from './translate.ts';

const handleSchema = Type.Object({
  verb: Type.Literal('launch'),
  /** The highest instance number before the growth: what is above it came with the growth. */
  highest: Type.Number(),
  /** The highest one that counts as this growth's, once it is settled; null before. */
  last: Type.Union([Type.Null(), Type.Number()]),
  /** Where the operation can be read; null where that was never learned or is no use any more. */
  operation: Type.Union([Type.Null(), Type.String()]),
  sentAtMs: Type.Number(),
  end: Type.Union([Type.Null(), operationEndSchema]),
  /** The numbers that any look has found: one that vanishes later is gone. */
  seen: Type.Array(Type.String()),
});
export type GrowHandle = Static<typeof handleSchema>;

export interface SendDeps {
  client: AzureClient;
  installation: string;
  nowMs: () => number;
}

/** Undefined where nothing of the call is known yet. Throws FleetError `mismatch` for somebody else's handle. */
export function toGrowHandle(call: BatchCall): GrowHandle | undefined {
  if (call.handle === null) return undefined;
  if (Value.Check(handleSchema, call.handle)) return call.handle;
  throw new FleetError(`The handle of batch ${call.batch} is not that of a scale set's growth.`, {
    code: 'mismatch',
    remedy: 'give-up',
  });
}

const MOST_TRIES = 3;

/**
 * Grows the set by the call's members, once however often it is called with the same batch: see growth-marker.ts.
 * Where the set changed between reading and writing, it is read and computed anew. Answers the handle to watch.
 */
export async function sendGrowth(
  deps: SendDeps,
  { call, set }: { call: BatchCall; set: ScaleSet },
  signal: AbortSignal,
): Promise<{ handle: GrowHandle; retryAfterMs: number | undefined }> {
  let conflict: FleetError | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    await deps.client.take('grow', set);
    const model = toSetModel(set, await deps.client.readSet(set, signal), deps.installation);
    const earlier = findGrowth(model.tags, call.batch);
    if (earlier !== undefined) return watched(earlier, undefined, deps.nowMs());
    const machines = (await deps.client.listMachines(set, signal)).map(toMachine);
    const marker = planGrowth(model, machines, call);
    const accepted = await patch(deps, { set, model, marker }, signal);
    if (!(accepted instanceof FleetError))
      return watched({ growth: marker, last: null }, accepted, deps.nowMs());
    conflict = accepted;
  }
  throw conflict ?? new FleetError('The set could not be grown.', { code: 'conflict', remedy: 'retry' });
}

/**
 * How far to grow. Never below the set's present capacity: that would make the platform delete machines of its own
 * choice. After a growth that failed the capacity stays above what exists, and the platform would fill that gap
 * too: so the gap is used up before the capacity is raised.
 */
export function planGrowth(
  model: Pick<SetModel, 'capacity' | 'most'>,
  machines: readonly Machine[],
  call: Pick<BatchCall, 'batch' | 'members'>,
): GrowthMarker {
  const present = machines.filter((machine) => machine.state !== 'deleting').length;
  const wanted = call.members.length;
  const after = Math.min(model.capacity + wanted, Math.max(model.capacity, present + wanted));
  if (after > model.most) {
    throw new FleetError(
      `The scale set holds ${model.most} instances at most and has ${model.capacity}: ${wanted} more do not fit.`,
      { code: 'quota', remedy: 'retry-elsewhere' },
    );
  }
  const highest = Math.max(-1, ...machines.map((machine) => Number(machine.number)));
  return { batch: call.batch, before: model.capacity, after, highest };
}

export interface GrowthEvidence {
  set: ScaleSet;
  machines: readonly Machine[];
  addresses: ReadonlyMap<string, string>;
  nowMs: number;
}

/** How long after its operation's end the listing may lack instances of a growth. */
const LISTING_LAG_MS = 60_000;
const NEXT_LOOK_MS = 500;

/** The look of a growth whose operation runs. */
export function growthRuns(handle: GrowHandle, lookInMs: number): Look {
  return { handle, holdsLane: true, lookInMs, outcomes: {}, launched: [], settled: false };
}

/** The look of a growth whose operation has ended, judged by a whole listing. */
export function judgeGrowth(call: BatchCall, handle: GrowHandle, evidence: GrowthEvidence): Look {
  const { end } = handle;
  if (end === null) throw new TypeError('A growth is judged only after its end.');
  const found = evidence.machines
    .filter(({ number }) => isOf(handle, Number(number)))
    .toSorted((one, other) => Number(one.number) - Number(other.number));
  const launched = toLaunched(handle, found, evidence);
  const settled = handle.last !== null || isSettled(call, { handle, end, launched, found, evidence });
  const last = Math.max(handle.highest, ...found.map(({ number }) => Number(number)));
  const seen = [...new Set([...handle.seen, ...found.map(({ number }) => number)])];
  const next: GrowHandle = { ...handle, seen, last: settled ? (handle.last ?? last) : null };
  const error = settled ? shortfall(call, end, launched) : undefined;
  const all = launched.every((each) => each.state === 'gone' || isReady(each));
  return {
    handle: next,
    holdsLane: !settled,
    lookInMs: settled && all ? 0 : NEXT_LOOK_MS,
    outcomes: {},
    launched,
    settled,
    ...(error === undefined ? {} : { error }),
  };
}

function watched(
  { growth, last }: { growth: GrowthMarker; last: number | null },
  accepted: Accepted | undefined,
  nowMs: number,
): { handle: GrowHandle; retryAfterMs: number | undefined } {
  const end: OperationEnd | null =
    accepted?.finished === true ? { as: 'succeeded', atMs: nowMs, code: '', message: '' } : null;
  return {
    handle: {
      verb: 'launch',
      highest: growth.highest,
      last,
      seen: [],
      operation: accepted?.operation ?? null,
      sentAtMs: nowMs,
      end,
    },
    retryAfterMs: accepted?.retryAfterMs,
  };
}

async function patch(
  { client, installation }: SendDeps,
  { set, model, marker }: { set: ScaleSet; model: SetModel; marker: GrowthMarker },
  signal: AbortSignal,
): Promise<Accepted | FleetError> {
  const tags = withGrowth(model.tags, marker, installation);
  const sku = { ...model.sku, capacity: marker.after };
  try {
    return await client.grow(set, { etag: model.etag, sku, tags }, signal);
  } catch (error) {
    // Refused for the ETag, so nothing was done: neither by this request nor later by a copy of it.
    if (isStale(error)) return error;
    throw error;
  }
}

function isOf(handle: GrowHandle, number: number): boolean {
  return number > handle.highest && (handle.last === null || number <= handle.last);
}

function toLaunched(
  handle: GrowHandle,
  found: readonly Machine[],
  { set, addresses }: GrowthEvidence,
): LaunchedInstance[] {
  const shown = new Set(found.map(({ number }) => number));
  const vanished = handle.seen.filter((number) => !shown.has(number));
  const launched = found.map((machine): LaunchedInstance => ({
    instance: instanceOf(set, machine.number),
    state: launchState(machine),
    address: addresses.get(machine.number) ?? null,
  }));
  // Members adopt from the front: the sound ones first.
  const sound = launched.filter(({ state }) => state === 'running');
  const others = launched.filter(({ state }) => state !== 'running');
  const gone = vanished.map((number): LaunchedInstance => ({
    instance: instanceOf(set, number),
    state: 'gone',
    address: null,
  }));
  return [...sound, ...others, ...gone];
}

function launchState({ state, provisioning }: Machine): LaunchedInstance['state'] {
  if (state === 'deleting') return 'gone';
  // One whose provisioning failed runs, too, and is no good.
  return state === 'running' && provisioning !== 'Failed' ? 'running' : 'pending';
}

function isReady({ state, address }: LaunchedInstance): boolean {
  return state === 'running' && address !== null;
}

interface Judged {
  handle: GrowHandle;
  end: OperationEnd;
  launched: readonly LaunchedInstance[];
  found: readonly Machine[];
  evidence: GrowthEvidence;
}

function isSettled(call: BatchCall, { handle, end, launched, found, evidence }: Judged): boolean {
  if (launched.filter(isReady).length >= call.members.length) return true;
  if (evidence.nowMs > end.atMs + LISTING_LAG_MS) return true;
  // After a failure nobody knows how many to expect: two listings must agree.
  return (
    end.as === 'failed' && evidence.nowMs >= end.atMs + NEXT_LOOK_MS && found.length === handle.seen.length
  );
}

function shortfall(
  call: BatchCall,
  end: OperationEnd,
  launched: readonly LaunchedInstance[],
): FleetError | undefined {
  if (launched.filter(isReady).length >= call.members.length) return undefined;
  const made = `${launched.length} of ${call.members.length}`;
  if (end.as === 'failed') return operationFailure(end, `launch all machines (${made} were made)`);
  if (launched.length >= call.members.length) return undefined;
  return new FleetError(
    `Azure shows ${made} instances ${Math.round(LISTING_LAG_MS / 1000)} s after the set's growth has ended.`,
    { code: 'not-yet-visible', remedy: 'retry-later' },
  );
}
