import type { CallLog } from '../call-log.ts';
import type { Fault, Faults } from '../faults.ts';
import type { Guests } from '../guests.ts';
import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Ec2Account } from './action.ts';
import { createAddresses } from './addresses.ts';
import { createCapacity, type CapacityLimit, type Quota } from './capacity.ts';
import { defaultCatalogue, type Catalogue } from './catalogue.ts';
import { createClientTokens } from './client-tokens.ts';
import { defaultDurations, type Durations } from './durations.ts';
import { createEstate, type Estate } from './estate.ts';
import { createFrontDoor } from './front-door.ts';
import { createLifecycle } from './lifecycle.ts';
import { createNoRequestLimits, createRequestLimits } from './request-limits.ts';
import { checkFault, createResponder } from './respond.ts';
import { createTimers } from './timers.ts';
import { createVisibility } from './visibility.ts';

export interface Ec2Options {
  accessKeyId: string;
  /** `published` (the default) limits calls as the vendor does; `off` does not. */
  buckets?: 'published' | 'off';
  durations?: Partial<Durations>;
  /** How many describe calls miss a new instance, besides the time for which all do. 0 by default. */
  hiddenDescribes?: number;
  catalogue?: Catalogue;
  quota?: Quota;
  /** Where the cloud has only so much room; elsewhere it has as much as anybody wants. */
  capacity?: readonly CapacityLimit[];
}

export interface Ec2EmulatorDeps {
  clock: ScaledClock;
  randomness: Randomness;
  log: CallLog;
  faults: Faults;
  guests: Guests;
  options: Ec2Options;
}

/** What is in a cloud, and what has happened in it. */
export interface EmulatorState {
  launched: number;
  deleted: number;
  /** Ids of the instances that exist and are not gone. */
  alive: string[];
  /** What is left alive, whoever it belongs to. */
  resources: { disks: string[]; networkCards: string[]; addresses: string[] };
  resets: number;
  calls: Record<string, number>;
  throttled: number;
  faults: Record<string, number>;
}

export interface Ec2Emulator {
  readonly catalogue: Catalogue;
  /** Listens at loopback; port 0 means any free one. Resolves with the endpoint. */
  listen(port: number): Promise<string>;
  /** Nothing happens any more after this, neither calls nor effects. Guests are their owner's to close. */
  close(): Promise<void>;
  state(): EmulatorState;
  /**
   * The cloud takes an instance back: `evict` as it interrupts, `announce` the same after a spot instance's notice,
   * `vanish` at once and without a trace. False: there is none.
   */
  evict(instance: string, mode?: 'evict' | 'announce' | 'vanish'): boolean;
  limitCapacity(limit: CapacityLimit): void;
  /** Throws where no call could ever be hit by this fault. */
  checkFault(fault: Fault): void;
}

/** An EC2 of one region that speaks the Query protocol over HTTP. */
export function createEc2Emulator(deps: Ec2EmulatorDeps): Ec2Emulator {
  const { clock, log, faults, options } = deps;
  const account = createAccount(deps);
  const { catalogue } = account.estate;
  const respond = createResponder({
    account,
    faults,
    identity: { accessKeyId: options.accessKeyId, region: catalogue.region },
  });
  const door = createFrontDoor({ clock, log, respond });
  return {
    catalogue,
    listen: (port) => door.listen(port),
    async close() {
      account.timers.cancelAll();
      await door.close();
    },
    state: () => stateOf(account.estate, { log, faults }),
    evict(id, mode = 'evict') {
      const instance = account.estate.instances.get(id);
      return instance !== undefined && account.lifecycle[mode](instance);
    },
    limitCapacity: (limit) => account.capacity.limit(limit),
    checkFault,
  };
}

function createAccount({ clock, randomness, log, guests, options }: Ec2EmulatorDeps): Ec2Account {
  const catalogue = options.catalogue ?? defaultCatalogue;
  const durations = { ...defaultDurations, ...options.durations };
  const estate = createEstate(catalogue);
  const addresses = createAddresses(catalogue);
  const timers = createTimers(clock);
  const capacity = createCapacity(estate, options.quota ?? {});
  options.capacity?.forEach((limit) => capacity.limit(limit));
  return {
    clock,
    randomness,
    durations,
    hiddenDescribes: options.hiddenDescribes ?? 0,
    timers,
    estate,
    addresses,
    capacity,
    limits: options.buckets === 'off' ? createNoRequestLimits() : createRequestLimits(() => clock.cloudMs()),
    lifecycle: createLifecycle({ clock, randomness, log, guests, estate, addresses, timers, durations }),
    visibility: createVisibility(estate, clock),
    launchTokens: createClientTokens(),
    taskTokens: createClientTokens(),
  };
}

function stateOf(estate: Estate, { log, faults }: { log: CallLog; faults: Faults }): EmulatorState {
  const cards = [...estate.cards.values()];
  return {
    launched: estate.totals.launched,
    deleted: estate.totals.deleted,
    alive: [...estate.instances.values()].filter(({ state }) => state !== 'terminated').map(({ id }) => id),
    resources: {
      disks: [...estate.disks.keys()],
      networkCards: cards.map(({ id }) => id),
      addresses: cards.flatMap(({ publicAddress }) => publicAddress ?? []),
    },
    resets: estate.totals.resets,
    calls: log.counts(),
    throttled: log.records().filter((each) => each.type === 'call' && each.code === 'RequestLimitExceeded')
      .length,
    faults: faults.hits(),
  };
}
