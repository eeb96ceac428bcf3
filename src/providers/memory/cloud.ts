import type { Clock } from '../../fleet/ports.ts';
import type { BatchCall, InventoryItem, Placement, Verb } from '../../fleet/provider.ts';
import type { MemoryOptions } from './placement.ts';

/** One instance: until `atMs` it is in the state it passes through, from then on in the one it arrives in. */
export interface MemoryInstance {
  id: string;
  installation: string;
  placement: Placement;
  batch: string;
  address: string;
  through: 'pending' | 'stopping' | 'deleting';
  arrives: 'running' | 'stopped' | 'gone';
  atMs: number;
}

/** What a call did, as every replay of its batch is told again. */
export interface Execution {
  launched: readonly MemoryInstance[];
  members: ReadonlyMap<string, Change>;
}

/** When a member's act is over, or why it failed. */
export type Change = { atMs: number } | 'absent' | 'failed';

/** The far side: a cloud account that several providers may share. */
export interface MemoryCloud {
  /** Executes a call, once per batch: a batch that has been executed answers as it did then. */
  execute(call: BatchCall, by: { installation: string; atMost: number }): Execution;
  executed(batch: string): Execution | undefined;
  /** What can still be told of an answered call that the cloud no longer remembers: after a restart, nothing exists. */
  recall(call: BatchCall): Execution;
  /** The next reset of this instance fails. */
  failReset(instance: string): void;
  stateOf(instance: MemoryInstance): InventoryItem['state'];
  /** Every instance that is not gone, whoever made it. */
  alive(): readonly MemoryInstance[];
}

/** Batches whose tokens are remembered; the oldest is forgotten first. */
const TOKENS_KEPT = 5000;

/** A cloud in the memory of one process: strongly consistent, never tired, with acts timed by the clock. */
export function createMemoryCloud(deps: { clock: Clock; options: MemoryOptions }): MemoryCloud {
  const estate: Estate = { instances: new Map(), failingResets: new Set(), addresses: 0 };
  const executions = new Map<string, Execution>();
  const nowMs = (): number => deps.clock.now().getTime();
  return {
    execute(call, by) {
      const known = executions.get(call.batch);
      if (known !== undefined) return known;
      const at = { ...by, nowMs: nowMs(), options: deps.options };
      const execution = call.verb === 'launch' ? launchAll(estate, call, at) : changeAll(estate, call, at);
      executions.set(call.batch, execution);
      forgetOldest(executions);
      return execution;
    },
    executed: (batch) => executions.get(batch),
    recall: (call) => recallFrom(estate, call, nowMs()),
    failReset: (instance) => void estate.failingResets.add(instance),
    stateOf: (instance) => (nowMs() >= instance.atMs ? instance.arrives : instance.through),
    alive() {
      const now = nowMs();
      for (const instance of estate.instances.values()) {
        if (isGone(instance, now)) estate.instances.delete(instance.id);
      }
      return [...estate.instances.values()];
    },
  };
}

interface Estate {
  instances: Map<string, MemoryInstance>;
  failingResets: Set<string>;
  /** How many addresses were ever given out. */
  addresses: number;
}

interface At {
  nowMs: number;
  installation: string;
  atMost: number;
  options: MemoryOptions;
}

/** The batch is part of an instance's id, so that ids stay unique over restarts of the process. */
function launchAll(estate: Estate, call: BatchCall, at: At): Execution {
  const launched = call.members.slice(0, at.atMost).map((_, index): MemoryInstance => {
    return {
      ...AFTER.launch,
      id: `mem-${call.batch}-${index}`,
      installation: at.installation,
      placement: call.placement,
      batch: call.batch,
      address: addressOf(estate.addresses++),
      atMs: at.nowMs + (at.options.launchMs ?? 0),
    };
  });
  for (const instance of launched) estate.instances.set(instance.id, instance);
  return { launched, members: new Map() };
}

function changeAll(estate: Estate, call: BatchCall, at: At): Execution {
  const members = new Map<string, Change>();
  for (const { instance } of call.members) {
    if (instance !== null) members.set(instance, change(estate, { verb: call.verb, id: instance }, at));
  }
  return { launched: [], members };
}

function change(estate: Estate, { verb, id }: { verb: Verb; id: string }, at: At): Change {
  const instance = estate.instances.get(id);
  if (instance === undefined || isGone(instance, at.nowMs)) return 'absent';
  if (verb === 'reset' && estate.failingResets.delete(id)) return 'failed';
  const atMs = at.nowMs + (at.options.actMs ?? 0);
  Object.assign(instance, AFTER[verb], { atMs });
  if (isGone(instance, at.nowMs)) estate.instances.delete(id);
  return { atMs };
}

function recallFrom(estate: Estate, call: BatchCall, nowMs: number): Execution {
  const alive = [...estate.instances.values()].filter((instance) => !isGone(instance, nowMs));
  if (call.verb === 'launch') {
    return { launched: alive.filter((instance) => instance.batch === call.batch), members: new Map() };
  }
  const members = new Map<string, Change>();
  for (const { instance: id } of call.members) {
    const instance = alive.find((each) => each.id === id);
    if (id !== null && instance === undefined) members.set(id, 'absent');
    if (id !== null && instance?.arrives === AFTER[call.verb].arrives)
      members.set(id, { atMs: instance.atMs });
  }
  return { launched: [], members };
}

function isGone(instance: MemoryInstance, nowMs: number): boolean {
  return instance.arrives === 'gone' && nowMs >= instance.atMs;
}

const AFTER = {
  launch: { through: 'pending', arrives: 'running' },
  start: { through: 'pending', arrives: 'running' },
  stop: { through: 'stopping', arrives: 'stopped' },
  reset: { through: 'pending', arrives: 'running' },
  delete: { through: 'deleting', arrives: 'gone' },
} as const satisfies Record<Verb, Pick<MemoryInstance, 'through' | 'arrives'>>;

function addressOf(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

function forgetOldest(executions: Map<string, Execution>): void {
  if (executions.size <= TOKENS_KEPT) return;
  const [oldest] = executions.keys();
  if (oldest !== undefined) executions.delete(oldest);
}
