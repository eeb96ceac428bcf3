import type { CallLog, EffectRecord } from '../call-log.ts';
import type { Guests } from '../guests.ts';
import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Addresses } from './addresses.ts';
import { jittered, type Durations } from './durations.ts';
import type { Estate, Instance, InstanceState } from './estate.ts';
import type { Timers } from './timers.ts';

/** Why a step begins: the request that asked for it, and the code with which it is to fail, where it is. */
export interface Cause {
  requestId?: string | undefined;
  failureCode?: string | undefined;
  /** Without waiting for the operating system. */
  fast?: boolean | undefined;
}

/**
 * What happens to instances, in cloud time. Each step looks at the state it finds when it takes effect, and does
 * nothing where EC2 would do nothing: a step that comes late is as harmless, or as harmful, as the real one.
 */
export interface Lifecycle {
  launch(instance: Instance, cause: Cause): void;
  start(instance: Instance, cause: Cause): void;
  stop(instance: Instance, cause: Cause): void;
  delete(instance: Instance, cause: Cause): void;
  /** The cloud takes it back: a spot instance is interrupted as it asked for, any other is deleted. False: it is over already. */
  evict(instance: Instance): boolean;
  /** A spot instance is marked, and taken back two minutes later. False: it is no spot instance, or over already. */
  announce(instance: Instance): boolean;
  /** It is gone at once and leaves no trace. False: it was deleted already. */
  vanish(instance: Instance): boolean;
  /** Ends its guest, as a reboot does. */
  halt(instance: Instance): void;
  /** Boots its guest: it answers `bootMs` of cloud time from now. */
  boot(instance: Instance): void;
  /** Logs an effect at this very moment. */
  effect(instance: string, effect: EffectRecord['effect'], cause: Cause): void;
}

export interface LifecycleDeps {
  clock: ScaledClock;
  randomness: Randomness;
  log: CallLog;
  guests: Guests;
  estate: Estate;
  addresses: Addresses;
  timers: Timers;
  durations: Durations;
}

const USER_SHUTDOWN = { code: 'Client.UserInitiatedShutdown', message: 'User initiated shutdown' };
const SPOT_INTERRUPTION = { code: 'Server.SpotInstanceTermination', message: 'Spot instance termination' };
const HOST_LOST = { code: 'Server.InternalError', message: 'Internal error on launch or host failure' };

export function createLifecycle(deps: LifecycleDeps): Lifecycle {
  const effect = createEffects(deps);
  const guest = createBooting(deps);
  const outcomes = createOutcomes(deps, { effect, guest });
  const ending = createEnding(deps, { guest, outcomes });
  const evict = (instance: Instance): boolean => {
    if (OUT_OF_REACH.has(instance.state)) return false;
    effect(instance.id, 'evicted', {});
    const isStopped = instance.spot?.interruption === 'stop' && instance.state === 'running';
    if (isStopped) ending.stop(instance, {}, SPOT_INTERRUPTION);
    else ending.delete(instance, {}, instance.spot === undefined ? HOST_LOST : SPOT_INTERRUPTION);
    return true;
  };
  return {
    ...createBeginning(deps, { effect, guest, outcomes }),
    ...guest,
    effect,
    stop: (instance, cause) => ending.stop(instance, cause),
    delete: (instance, cause) => ending.delete(instance, cause),
    evict,
    announce(instance) {
      if (instance.spot === undefined || OUT_OF_REACH.has(instance.state)) return false;
      instance.spot.isMarked = true;
      deps.timers.set(`notice ${instance.id}`, deps.durations.spotNoticeMs, () => void evict(instance));
      return true;
    },
    vanish(instance) {
      if (instance.state === 'terminated') return false;
      effect(instance.id, 'evicted', {});
      outcomes.gone(instance, {});
      deps.timers.cancel(`linger ${instance.id}`);
      deps.estate.instances.delete(instance.id);
      return true;
    },
  };
}

/** Nothing is left to be taken back. */
const OUT_OF_REACH: ReadonlySet<InstanceState> = new Set([
  'stopping',
  'stopped',
  'shutting-down',
  'terminated',
]);

type Effects = Lifecycle['effect'];
type Booting = Pick<Lifecycle, 'halt' | 'boot'>;
type Reason = { code: string; message: string };

interface Outcomes {
  stopped: (instance: Instance, cause: Cause) => void;
  gone: (instance: Instance, cause: Cause) => void;
}

interface Ending {
  stop: (instance: Instance, cause: Cause, reason?: Reason) => void;
  delete: (instance: Instance, cause: Cause, reason?: Reason) => void;
}

function createEffects({ clock, log }: LifecycleDeps): Effects {
  return (instance, effect, { requestId }) =>
    log.effect({
      type: 'effect',
      cloud: 'aws',
      at: clock.realMs(),
      instance,
      effect,
      ...(requestId === undefined ? {} : { requestId }),
    });
}

function createBooting({ randomness, guests, timers, durations }: LifecycleDeps): Booting {
  return {
    boot(instance) {
      timers.set(`boot ${instance.id}`, jittered(durations.bootMs, randomness), () => {
        instance.boots += 1;
        instance.booted = true;
        void guests.open(instance.address, { instance: instance.id, boots: instance.boots });
      });
    },
    halt(instance) {
      timers.cancel(`boot ${instance.id}`);
      if (!instance.booted) return;
      instance.booted = false;
      void guests.close(instance.address);
    },
  };
}

function createBeginning(
  { estate, addresses, randomness, timers, durations }: LifecycleDeps,
  { effect, guest, outcomes }: { effect: Effects; guest: Booting; outcomes: Outcomes },
): Pick<Lifecycle, 'launch' | 'start'> {
  const wait = (instance: Instance, cause: Cause, fail: () => void): void => {
    instance.state = 'pending';
    timers.set(`state ${instance.id}`, jittered(durations.pendingMs, randomness), () => {
      if (cause.failureCode !== undefined) {
        const code = `Server.${cause.failureCode}`;
        instance.stateReason = { code, message: `${code}: the instance could not be started` };
        fail();
        return;
      }
      instance.state = 'running';
      effect(instance.id, 'running', cause);
      guest.boot(instance);
    });
  };
  return {
    launch(instance, cause) {
      estate.instances.set(instance.id, instance);
      for (const disk of instance.disks) estate.disks.set(disk.id, disk);
      for (const card of instance.cards) estate.cards.set(card.id, card);
      estate.totals.launched += 1;
      effect(instance.id, 'launched', cause);
      wait(instance, cause, () => outcomes.gone(instance, cause));
    },
    start(instance, cause) {
      if (instance.state !== 'stopped') return;
      instance.stateReason = undefined;
      instance.transitionReason = '';
      for (const card of instance.cards)
        if (card.wantsPublicAddress) card.publicAddress = addresses.takePublic();
      effect(instance.id, 'started', cause);
      wait(instance, cause, () => outcomes.stopped(instance, cause));
    },
  };
}

/** How an instance ends, at once: what every way to stop or to delete it comes to. */
function createOutcomes(
  { estate, addresses, timers, durations }: LifecycleDeps,
  { effect, guest }: { effect: Effects; guest: Booting },
): Outcomes {
  return {
    stopped: (instance, cause) => {
      instance.state = 'stopped';
      for (const card of instance.cards) freePublicAddress(card, addresses);
      effect(instance.id, 'stopped', cause);
    },
    gone: (instance, cause) => {
      guest.halt(instance);
      timers.cancel(`state ${instance.id}`);
      instance.state = 'terminated';
      detachAll(instance, estate, addresses);
      estate.totals.deleted += 1;
      effect(instance.id, 'deleted', cause);
      timers.set(`linger ${instance.id}`, durations.lingerMs, () => estate.instances.delete(instance.id));
    },
  };
}

function createEnding(
  { clock, randomness, timers, durations }: LifecycleDeps,
  { guest, outcomes }: { guest: Booting; outcomes: Outcomes },
): Ending {
  const leave = (instance: Instance, state: InstanceState, reason: Reason): void => {
    guest.halt(instance);
    instance.state = state;
    instance.stateReason = { ...reason, message: `${reason.code}: ${reason.message}` };
    instance.transitionReason = `User initiated (${new Date(clock.realMs()).toISOString()})`;
  };
  return {
    stop: (instance, cause, reason = USER_SHUTDOWN) => {
      // A forced stop of an instance that is stopping already hurries it.
      if (instance.state !== 'running' && !(instance.state === 'stopping' && cause.fast === true)) return;
      leave(instance, 'stopping', reason);
      const ms = jittered(cause.fast === true ? durations.fastStopMs : durations.stopMs, randomness);
      timers.set(`state ${instance.id}`, ms, () => outcomes.stopped(instance, cause));
    },
    delete: (instance, cause, reason = USER_SHUTDOWN) => {
      if (instance.state === 'shutting-down' || instance.state === 'terminated') return;
      const isHalted = instance.state === 'stopped';
      leave(instance, 'shutting-down', reason);
      if (isHalted) {
        outcomes.gone(instance, cause);
        return;
      }
      const ms = jittered(cause.fast === true ? durations.fastShutDownMs : durations.shutDownMs, randomness);
      timers.set(`state ${instance.id}`, ms, () => outcomes.gone(instance, cause));
    },
  };
}

/** Disks and cards that were not to go with their instance stay behind, attached to nothing. */
function detachAll(instance: Instance, estate: Estate, addresses: Addresses): void {
  for (const disk of instance.disks) {
    if (disk.attachment?.deleteWithInstance === true) estate.disks.delete(disk.id);
    disk.attachment = undefined;
  }
  for (const card of instance.cards) {
    freePublicAddress(card, addresses);
    if (card.attachment?.deleteWithInstance === true) {
      estate.cards.delete(card.id);
      addresses.free(card.subnet, card.privateAddress);
    }
    card.attachment = undefined;
  }
  instance.disks = [];
  instance.cards = [];
}

function freePublicAddress(card: Instance['cards'][number], addresses: Addresses): void {
  if (card.publicAddress === undefined) return;
  addresses.freePublic(card.publicAddress);
  card.publicAddress = undefined;
}
