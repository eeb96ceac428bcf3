import type { BatchCall, InventoryItem, LeftOver, Placement, Verb } from '../../fleet/provider.ts';
import type { EffectEntry } from '../history.ts';
import type { CloudWorld } from './cloud-world.ts';

export interface Instance {
  id: string;
  placement: Placement;
  batch: string;
  address: string;
  state: Exclude<InventoryItem['state'], 'unknown'>;
  bornAtMs: number;
  goneAtMs: number | null;
  /** When its guest answers; null while it is not running, or never will. */
  answersAtMs: number | null;
  /** The cloud has announced that it takes it away. */
  isInterrupted: boolean;
  /** Deleting it is refused until then. */
  protectedUntilMs: number;
}

/** A disk that stayed behind when its instance went. */
export interface Disk extends LeftOver {
  placement: Placement;
  bornAtMs: number;
}

/** The launch of an instance that nobody has asked for. */
export const NOBODY = 'nobody';

export type Change =
  | { state: 'pending' }
  | { state: 'done' }
  | { state: 'failed'; why: 'gone' | 'broken' | 'refused' };

/** A call as the cloud keeps it, under its batch's token. */
export interface Operation {
  batch: string;
  verb: Verb;
  changes: Map<string, Change>;
  launched: Instance[];
  /** Launch: nothing further will be made. */
  settled: boolean;
  asked: number;
}

export interface Estate {
  instances: Map<string, Instance>;
  operations: Map<string, Operation>;
  /** By id. */
  leftOvers: Map<string, Disk>;
  /** Makes what a launch asks for: some at once, the rest a little later. */
  launch(call: BatchCall, request: { id: string; count: number; laterCount: number }): Operation;
  /** Begins the change of every member; it becomes true a little later. */
  change(call: BatchCall, request: string): Operation;
  /** An instance that nobody has asked for: of a database that was restored, or of somebody's own hand. */
  stray(placement: Placement): void;
  /** The cloud takes an instance away by itself. */
  evict(instance: Instance): void;
  /** It announces that first. */
  interrupt(instance: Instance): void;
}

export function createEstate(world: CloudWorld): Estate {
  const estate: State = {
    ...{ world, instances: new Map(), operations: new Map(), leftOvers: new Map(), made: 0 },
  };
  return {
    instances: estate.instances,
    operations: estate.operations,
    leftOvers: estate.leftOvers,
    launch(call, request) {
      const operation = begin(estate, call);
      operation.settled = request.laterCount === 0;
      make(estate, { call, operation, request: request.id, count: request.count });
      if (request.laterCount > 0) {
        after(estate, `makes the rest for ${call.batch}`, () => {
          make(estate, { call, operation, request: request.id, count: request.laterCount });
          operation.settled = true;
        });
      }
      return operation;
    },
    change(call, request) {
      const operation = begin(estate, call);
      for (const member of call.members)
        if (member.instance !== null) alter(estate, operation, { id: member.instance, request });
      return operation;
    },
    stray(placement) {
      const call: BatchCall = { batch: NOBODY, verb: 'launch', placement, members: [], handle: null };
      const operation: Operation = { ...NOTHING, batch: NOBODY, changes: new Map(), launched: [] };
      make(estate, { call, operation, request: null, count: 1 });
    },
    evict: (instance) => evict(estate, instance),
    interrupt(instance) {
      instance.isInterrupted = true;
      const inMs = world.random.between(...NOTICE_MS);
      const fire = (): void => {
        if (instance.state !== 'gone') evict(estate, instance);
      };
      world.scheduler.timer(null, inMs, { label: `cloud takes ${instance.id} away`, fire });
    },
  };
}

const NOTICE_MS = [5000, 60_000] as const;

function evict(estate: State, instance: Instance): void {
  vanish(estate, instance, { effect: 'evicted', requestId: null });
}

const NOTHING = { verb: 'launch', settled: true, asked: 0 } as const;

interface State {
  world: CloudWorld;
  instances: Map<string, Instance>;
  operations: Map<string, Operation>;
  leftOvers: Map<string, Disk>;
  made: number;
}

function begin(estate: State, { batch, verb, members }: BatchCall): Operation {
  const known = estate.operations.get(batch);
  const operation = known ?? {
    ...{ batch, verb, asked: members.length, changes: new Map(), launched: [], settled: false },
  };
  estate.operations.set(batch, operation);
  return operation;
}

function after(estate: State, label: string, fire: () => void): void {
  const { random, scheduler } = estate.world;
  const inMs = random.between(50, estate.world.plan.actMs);
  scheduler.timer(null, inMs, { label: `cloud ${label}`, fire });
}

function tell(estate: State, effect: Omit<EffectEntry, 'type' | 'cloud' | 'at'>): void {
  const { history, scheduler } = estate.world;
  history.push({ type: 'effect', cloud: 'memory', at: scheduler.nowMs(), ...effect });
}

function make(
  estate: State,
  from: { call: BatchCall; operation: Operation; request: string | null; count: number },
): void {
  const { call, operation, request } = from;
  for (let index = 0; index < from.count; index += 1) {
    estate.made += 1;
    const instance: Instance = {
      ...{ id: `i-${estate.made}`, placement: call.placement, batch: call.batch, state: 'pending' },
      ...{ address: `10.0.0.${estate.made}`, bornAtMs: estate.world.scheduler.nowMs() },
      ...{ goneAtMs: null, answersAtMs: null, protectedUntilMs: 0, isInterrupted: false },
    };
    estate.instances.set(instance.id, instance);
    operation.launched.push(instance);
    tell(estate, { instance: instance.id, effect: 'launched', requestId: request });
    after(estate, `boots ${instance.id}`, () => {
      if (instance.state === 'pending') run(estate, instance, { effect: 'running', requestId: request });
    });
  }
}

type Told = Pick<EffectEntry, 'effect' | 'requestId'>;

function run(estate: State, instance: Instance, told: Told): void {
  const { random, scheduler, isFaulty } = estate.world;
  const inMs = random.between(10, 2000);
  instance.state = 'running';
  instance.answersAtMs = isFaulty('silentGuest') ? null : scheduler.nowMs() + inMs;
  tell(estate, { instance: instance.id, ...told });
}

function vanish(estate: State, instance: Instance, told: Told): void {
  instance.state = 'gone';
  instance.goneAtMs = estate.world.scheduler.nowMs();
  instance.answersAtMs = null;
  tell(estate, { instance: instance.id, ...told });
  if (!estate.world.isFaulty('leftOver')) return;
  const id = `vol-${instance.id}`;
  const { placement, goneAtMs: bornAtMs } = instance;
  estate.leftOvers.set(id, { kind: 'disk', id, placement, bornAtMs });
}

/** One member's change. What is being deleted is beyond any other. */
function alter(estate: State, operation: Operation, from: { id: string; request: string }): void {
  const { id, request } = from;
  const { verb, changes } = operation;
  const instance = estate.instances.get(id);
  if (instance === undefined || instance.state === 'gone') {
    changes.set(id, verb === 'delete' ? { state: 'done' } : { state: 'failed', why: 'gone' });
    return;
  }
  if (verb === 'delete' && instance.protectedUntilMs > estate.world.scheduler.nowMs()) {
    changes.set(id, { state: 'failed', why: 'refused' });
    return;
  }
  changes.set(id, { state: 'pending' });
  if (verb === 'delete') instance.state = 'deleting';
  after(estate, `${verb} of ${id} takes effect`, () => {
    changes.set(id, settle(estate, instance, { verb, request }));
  });
}

function settle(estate: State, instance: Instance, from: { verb: Verb; request: string }): Change {
  const requestId = from.request;
  if (instance.state === 'gone')
    return from.verb === 'delete' ? { state: 'done' } : { state: 'failed', why: 'gone' };
  if (from.verb === 'delete') {
    vanish(estate, instance, { effect: 'deleted', requestId });
    return { state: 'done' };
  }
  if (instance.state === 'deleting') return { state: 'failed', why: 'gone' };
  if (from.verb === 'stop') return stopped(estate, instance, requestId);
  if (from.verb === 'reset' && estate.world.isFaulty('resetFailed'))
    return { state: 'failed', why: 'broken' };
  run(estate, instance, { effect: from.verb === 'reset' ? 'reset' : 'started', requestId });
  return { state: 'done' };
}

function stopped(estate: State, instance: Instance, requestId: string): Change {
  instance.state = 'stopped';
  instance.answersAtMs = null;
  tell(estate, { instance: instance.id, effect: 'stopped', requestId });
  return { state: 'done' };
}
