import { randomUUID } from 'node:crypto';
import type { CallRecord, EffectRecord, HistoryRecord } from '../../src/audit/history.ts';
import { type BatchCall, type Look, type Provider, type Verb, VERBS } from '../../src/fleet/provider.ts';
import { createMemoryCloud, type Execution, type MemoryCloud } from '../../src/providers/memory/cloud.ts';
import type { MemoryOptions } from '../../src/providers/memory/placement.ts';
import { createMemoryProvider, memory, type MemoryProvider } from '../../src/providers/memory/provider.ts';
import type { ProviderModule } from '../../src/providers/provider-module.ts';

/** What the database held about the machine of one instance when a call that names it arrived. */
export interface Sighting {
  machine: string;
  state: string;
  /** Leases that are active or ending on it. */
  holds: number;
}

/** A call as it arrived at the cloud. Times are milliseconds since the epoch. */
export interface WatchedCall {
  worker: string;
  verb: Verb;
  /** The token it was sent under. */
  batch: string;
  instances: readonly string[];
  seen: readonly Sighting[];
  /** Taken before `seen`. */
  at: number;
  answeredAt: number | null;
  /** Null while it is under way, and where it was answered. */
  failure: string | null;
}

/** Something that became true in the cloud; a replay that changes nothing makes none. */
export interface WatchedEffect {
  verb: Verb;
  batch: string;
  instance: string;
  at: number;
}

export interface WatchedCloud {
  /** The far side's controls: failures, lost replies, holds; and its inventory. */
  memory: MemoryProvider;
  /** In the order of arrival. */
  calls(verb: Verb): readonly WatchedCall[];
  effects(verb: Verb): readonly WatchedEffect[];
  /** What a worker process is given instead of the real list of clouds. */
  moduleFor(worker: string): ProviderModule;
  /**
   * Keeps calls of one worker on their way until `letThrough`. They have been sent: nothing that becomes of their
   * sender meanwhile calls them back.
   */
  holdOnTheWay(worker: string, verb: Verb): HeldCalls;
  /** Calls and effects as the auditor reads them. */
  history(): HistoryRecord[];
}

export interface HeldCalls {
  waiting(): number;
  letThrough(): void;
}

/** One cloud in memory that several worker processes share, and a log of what reaches it and what that does. */
export function createWatchedCloud(options: {
  memory?: MemoryOptions;
  /** Verbs that this cloud executes once however often they are sent; every one of them where left out. */
  replaySafe?: readonly Verb[];
  look(instances: readonly string[]): Promise<readonly Sighting[]>;
}): WatchedCloud {
  const replaySafe = options.replaySafe ?? VERBS;
  const effects: WatchedEffect[] = [];
  const deps = { clock: { now: () => new Date() }, options: options.memory ?? {} };
  const far = createMemoryProvider({ ...deps, cloud: watchEffects(createMemoryCloud(deps), effects) });
  const calls: WatchedCall[] = [];
  const wires = new Map<string, Wire>();
  const send = async (worker: string, call: BatchCall, signal: AbortSignal): Promise<Look> => {
    const { verb, batch } = call;
    const wire = wires.get(`${worker} ${verb}`);
    if (wire !== undefined) await wire.pass();
    const instances = call.members.flatMap((member) => member.instance ?? []);
    const at = Date.now();
    const seen = await options.look(instances);
    const entry = { worker, verb, batch, instances, seen, at, answeredAt: null, failure: null };
    calls.push(entry);
    const arrives = replaySafe.includes(verb) ? call : { ...call, batch: randomUUID() };
    return receive(entry, () => far[verb](arrives, wire === undefined ? signal : NEVER));
  };
  const sendFrom = (worker: string) => {
    const verbs = VERBS.map((verb) => [
      verb,
      (call: BatchCall, signal: AbortSignal) => send(worker, call, signal),
    ]);
    return Object.fromEntries(verbs) as Pick<Provider, Verb>;
  };
  return {
    memory: far,
    calls: (verb) => calls.filter((call) => call.verb === verb),
    effects: (verb) => effects.filter((effect) => effect.verb === verb),
    moduleFor: (worker) => ({
      ...memory,
      create: () => ({ ...far, ...sendFrom(worker), capabilities: { ...far.capabilities, replaySafe } }),
    }),
    holdOnTheWay(worker, verb) {
      const wire = createWire();
      wires.set(`${worker} ${verb}`, wire);
      return {
        waiting: wire.waiting,
        letThrough() {
          wires.delete(`${worker} ${verb}`);
          wire.open();
        },
      };
    },
    history: () => [
      ...calls.flatMap(toCallRecords),
      ...effects.map((effect) => toEffectRecord(effect, calls)),
    ],
  };
}

const NEVER = new AbortController().signal;

function watchEffects(cloud: MemoryCloud, effects: WatchedEffect[]): MemoryCloud {
  return {
    ...cloud,
    execute(call, by) {
      const isReplay = cloud.executed(call.batch) !== undefined;
      const execution = cloud.execute(call, by);
      const changed = isReplay ? [] : changedBy(execution);
      const { verb, batch } = call;
      effects.push(...changed.map((instance) => ({ verb, batch, instance, at: Date.now() })));
      return execution;
    },
  };
}

function changedBy(execution: Execution): string[] {
  const acted = [...execution.members].filter(([, change]) => change !== 'absent' && change !== 'failed');
  return [...execution.launched.map((instance) => instance.id), ...acted.map(([instance]) => instance)];
}

async function receive(entry: WatchedCall, execute: () => Promise<Look>): Promise<Look> {
  try {
    return await execute();
  } catch (error) {
    entry.failure = error instanceof Error ? error.message : String(error);
    throw error;
  } finally {
    entry.answeredAt = Date.now();
  }
}

interface Wire {
  pass(): Promise<void>;
  waiting(): number;
  open(): void;
}

function createWire(): Wire {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  return {
    async pass() {
      waiting += 1;
      await gate.promise;
      waiting -= 1;
    },
    waiting: () => waiting,
    open: () => gate.resolve(),
  };
}

/** The answer of this cloud says what a look would show: after a delete, that the instance is gone. */
function toCallRecords(call: WatchedCall, index: number): HistoryRecord[] {
  const record: CallRecord = {
    ...{ type: 'call', cloud: 'memory', at: call.at, requestId: `call-${index}` },
    ...{ operation: call.verb, verb: call.verb, instances: [...call.instances], unaddressed: false },
    ...{ token: call.batch, status: call.failure === null ? 200 : 500, code: null, fault: null },
  };
  if (call.answeredAt === null) return [record];
  const { answeredAt } = call;
  const answer = { at: answeredAt, answeredAt, requestId: `answer-${index}`, verb: 'read' } as const;
  return [
    { ...record, answeredAt },
    { ...record, ...answer },
  ];
}

const EFFECTS = {
  launch: 'launched',
  start: 'started',
  stop: 'stopped',
  reset: 'reset',
  delete: 'deleted',
} as const satisfies Record<Verb, EffectRecord['effect']>;

/** An effect belongs to the last call under its token that had arrived by then. */
function toEffectRecord(effect: WatchedEffect, calls: readonly WatchedCall[]): HistoryRecord {
  const { instance, at } = effect;
  const cause = calls.findLastIndex(
    (call) =>
      call.verb === effect.verb &&
      call.at <= at &&
      (call.batch === effect.batch || call.instances.includes(instance)),
  );
  return {
    type: 'effect',
    cloud: 'memory',
    at,
    instance,
    effect: EFFECTS[effect.verb],
    requestId: `call-${cause}`,
  };
}
