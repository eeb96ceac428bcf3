import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { FleetErrorDetails } from '../../fleet/errors.ts';
import type { Clock } from '../../fleet/ports.ts';
import type {
  BatchCall,
  Capabilities,
  Json,
  LaunchedInstance,
  Look,
  Placement,
  Progress,
  Provider,
  Verb,
} from '../../fleet/provider.ts';
import { VERBS } from '../../fleet/provider.ts';
import { instancesOf, refuseLeftOver } from '../instances-of.ts';
import type { ProviderModule } from '../provider-module.ts';
import { createMemoryCloud } from './cloud.ts';
import type { Change, Execution, MemoryCloud, MemoryInstance } from './cloud.ts';
import { createControls } from './controls.ts';
import type { Controls } from './controls.ts';
import { memoryOptionsSchema, memoryPlacementSchema } from './placement.ts';
import type { MemoryOptions, MemoryPlacement } from './placement.ts';

export interface MemoryDeps {
  clock: Clock;
  options: MemoryOptions;
  /** 'memory' where left out. */
  installation?: string;
  /** A cloud shared with other providers; one of its own where left out. */
  cloud?: MemoryCloud;
}

/** A provider together with what a test may do to its far side. */
export type MemoryProvider = Provider & Controls;

export const memory: ProviderModule = {
  name: 'memory',
  placementSchema: memoryPlacementSchema,
  optionsSchema: memoryOptionsSchema,
  reset: 'reimage',
  create: ({ clock, installation, options }) =>
    createMemoryProvider({ clock, installation, options: Value.Parse(memoryOptionsSchema, options) }),
};

/**
 * A cloud in this process: for tests, benchmarks and explorations, never across processes. Acts are over at once
 * unless `options` give them a time. Throws FleetError like every provider.
 */
export function createMemoryProvider(deps: MemoryDeps): MemoryProvider {
  const cloud = deps.cloud ?? createMemoryCloud(deps);
  const controls = createControls(deps.clock);
  const far: FarSide = { ...deps, cloud, controls, installation: deps.installation ?? 'memory' };
  const send = (call: BatchCall, signal: AbortSignal): Promise<Look> => execute(far, call, signal);
  return {
    ...controls,
    name: 'memory',
    capabilities: CAPABILITIES,
    lane: (verb, placement) => ({ lane: `memory:${verb}`, group: groupOf(verb, placement) }),
    launch: send,
    start: send,
    stop: send,
    reset: send,
    delete: send,
    async poll(calls, signal) {
      if (calls.length === 0) return [];
      await controls.receive('poll', signal);
      return calls.map((call) => lookAgain(far, call));
    },
    async inventory(placement, signal) {
      await controls.receive('inventory', signal);
      const instances = aliveAt(far, placement).map((instance) => ({
        instance: instance.id,
        state: cloud.stateOf(instance),
        address: addressOf(far, instance),
        batch: instance.batch,
      }));
      return { instances, leftOvers: [] };
    },
    deleteLeftOver: refuseLeftOver,
    quota: (placement) => Promise.resolve(roomAt(far, placement)),
    close: () => Promise.resolve(),
  };
}

interface FarSide extends MemoryDeps {
  installation: string;
  cloud: MemoryCloud;
  controls: Controls;
}

const CAPABILITIES: Capabilities = {
  reset: 'reimage',
  park: 'stop',
  batchSizes: { launch: 500, start: 500, stop: 500, reset: 500, delete: 500 },
  replaySafe: VERBS,
};

/** Only a launch is bound to its placement; one call of another verb may name instances of all of them. */
function groupOf(verb: Verb, placement: Placement): string {
  return verb === 'launch' ? `${placement.pool}/${placement.name}` : '';
}

async function execute(far: FarSide, call: BatchCall, signal: AbortSignal): Promise<Look> {
  instancesOf(call);
  await far.controls.receive(call.verb, signal);
  const atMost = call.verb === 'launch' ? room(far, call) : 0;
  const execution = far.cloud.execute(call, { installation: far.installation, atMost });
  if (far.controls.losesReply(call.verb)) {
    throw new FleetError(`The answer to ${call.verb} ${call.batch} was lost.`, {
      code: 'unknown-reply',
      remedy: 'retry',
      maybeExecuted: true,
    });
  }
  return look(far, call, execution);
}

/** How many instances this launch may make; throws where it could make none. A replay makes nothing new. */
function room(far: FarSide, call: BatchCall): number {
  if (far.cloud.executed(call.batch) !== undefined) return 0;
  const left = Math.min(far.controls.launchLimit(), roomAt(far, call.placement));
  if (left > 0) return left;
  throw new FleetError(`No room for another instance at ${groupOf('launch', call.placement)}.`, CAPACITY);
}

const CAPACITY = { code: 'capacity', remedy: 'retry-elsewhere' } as const;

function roomAt(far: FarSide, placement: Placement): number {
  const { limit } = specOf(placement);
  return limit === undefined ? Infinity : Math.max(0, limit - aliveAt(far, placement).length);
}

function aliveAt(far: FarSide, placement: Placement): readonly MemoryInstance[] {
  return far.cloud
    .alive()
    .filter(
      (instance) =>
        instance.installation === far.installation &&
        instance.placement.pool === placement.pool &&
        instance.placement.name === placement.name,
    );
}

function specOf(placement: Placement): MemoryPlacement {
  if (Value.Check(memoryPlacementSchema, placement.spec)) return placement.spec;
  throw new FleetError(`Placement ${placement.name} of pool ${placement.pool} is not one of memory's.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

/** A batch that was never answered is unsettled, with every member pending: it is to be sent again. */
function lookAgain(far: FarSide, call: BatchCall): Look {
  const known = far.cloud.executed(call.batch);
  if (known !== undefined) return look(far, call, known);
  if (call.handle !== null) return look(far, call, far.cloud.recall(call));
  const unsent = look(far, call, { launched: [], members: new Map() });
  return { ...unsent, handle: null, lookInMs: UNKNOWN_MS, settled: false };
}

function look(far: FarSide, call: BatchCall, execution: Execution): Look {
  const launched = execution.launched.map((instance) => toLaunched(far, instance));
  const isShort = call.verb === 'launch' && launched.length < call.members.length;
  const message = `${launched.length} of ${call.members.length} instances were made.`;
  return {
    handle: ANSWERED,
    holdsLane: false,
    lookInMs: lookInMs(far, call, execution),
    outcomes: outcomesOf(far, call, execution),
    launched,
    settled: true,
    ...(isShort && { error: new FleetError(message, CAPACITY) }),
  };
}

const ANSWERED: Json = 'answered';
/** How soon to look again at what only a replay can move on. */
const UNKNOWN_MS = 1000;

function toLaunched(far: FarSide, instance: MemoryInstance): LaunchedInstance {
  const state = far.cloud.stateOf(instance);
  const isUp = state === 'running' || state === 'gone';
  return { instance: instance.id, state: isUp ? state : 'pending', address: addressOf(far, instance) };
}

function addressOf(far: FarSide, instance: MemoryInstance): string | null {
  return far.cloud.stateOf(instance) === 'running' ? instance.address : null;
}

function outcomesOf(far: FarSide, call: BatchCall, execution: Execution): Record<string, Progress> {
  const outcomes: Record<string, Progress> = {};
  const nowMs = far.clock.now().getTime();
  for (const { instance } of call.members) {
    if (instance === null) continue;
    outcomes[instance] = progressOf(call.verb, execution.members.get(instance), nowMs);
  }
  return outcomes;
}

function progressOf(verb: Verb, member: Change | undefined, nowMs: number): Progress {
  if (member === undefined) return { state: 'pending' };
  if (member === 'failed') return failed('The reset failed.', { code: 'internal', remedy: 'give-up' });
  if (member !== 'absent') return { state: nowMs >= member.atMs ? 'done' : 'pending' };
  if (verb === 'delete') return { state: 'done' };
  return failed(`There is nothing to ${verb}: it is gone.`, { code: 'not-found', remedy: 'gone' });
}

function failed(message: string, details: FleetErrorDetails): Progress {
  return { state: 'failed', error: new FleetError(message, details) };
}

/** 0 where nothing is left to wait for. */
function lookInMs(far: FarSide, call: BatchCall, execution: Execution): number {
  const nowMs = far.clock.now().getTime();
  const isIncomplete = call.verb !== 'launch' && execution.members.size < call.members.length;
  let longest = isIncomplete ? UNKNOWN_MS : 0;
  for (const { atMs } of execution.launched) longest = Math.max(longest, atMs - nowMs);
  for (const member of execution.members.values()) {
    if (typeof member === 'object') longest = Math.max(longest, member.atMs - nowMs);
  }
  return longest;
}
