import type { LeaseOutcome, MachineState } from '../../../src/fleet/lifecycle.ts';
import type { Bell, Outbox } from '../../../src/fleet/outbox.ts';
import type { LeaseRequest, Pool } from '../../../src/fleet/pool.ts';
import type {
  InventoryItem,
  LaunchedInstance,
  Look,
  Placement,
  Progress,
  Verb,
} from '../../../src/fleet/provider.ts';
import type { SweepAct } from '../../../src/fleet/reconcile-acts.ts';
import type { Act, Batch, Machine, Store } from '../../../src/fleet/store.ts';

/** A store with its outbox, empty or shared with tests that are over: each test has names of its own. */
export interface StoreUnderTest {
  store: Store;
  outbox: Outbox;
  /** A pool's machines that are not deleted. */
  living(pool: string): Promise<readonly Machine[]>;
  /** A UUID. */
  newId(): string;
  close(): Promise<void>;
}

export const DEADLINES = {
  requested: 600_000,
  provisioning: 700_000,
  booting: 300_000,
  ready: 86_400_000,
  stopping: 200_000,
  stopped: 60_000,
  released: 60_000,
  resetting: 400_000,
  parked: 500_000,
  quarantined: 550_000,
  deleting: 450_000,
} as const satisfies Pool['deadlines'];

const EPOCH = Date.UTC(2026, 0, 1);
const CLAIM_MS = 10_000;
export const STALE_MS = 600_000;

export type Driver = ReturnType<typeof createDriver>;

/** Brings machines and leases of one test's own pool to where the test begins, through the store's acts alone. */
export function createDriver(under: StoreUnderTest) {
  const { store, outbox, newId } = under;
  const name = `pool-${newId()}`;
  const placement: Placement = { pool: name, name: 'here', provider: 'memory', spec: {} };
  let nowMs = EPOCH;
  const now = (): Date => new Date(nowMs);
  const later = (ms: number): Date => new Date(nowMs + ms);
  const rules: Pool = {
    ...{ name, platform: 'linux', arch: 'x64', tags: [], minIdle: 0, max: 20, idleTimeoutMs: 60_000 },
    ...{
      recycle: 'reset',
      halt: 'power-off',
      maxUses: null,
      maxMachineHoursPerDay: null,
      probe: { kind: 'none' },
      deadlines: DEADLINES,
    },
    ...{ placements: [placement], owner: 'api', draining: false },
  };
  const act = (machine: string, by = 'test'): Act => ({ machine, by, now: now(), deadlines: DEADLINES });
  const seen = async (machine: string): Promise<Machine> => {
    const found = await store.look(machine);
    if (found === undefined) throw new Error(`there is no machine ${machine}`);
    return found;
  };
  const apply = async (changes: Partial<Pool> = {}): Promise<Pool> => {
    const pool = { ...rules, ...changes };
    await store.applyPools({ pools: [pool], now: now() });
    return pool;
  };
  const ways = createWays({ store, act, seen, now, later, placement, newId, name, apply });
  return {
    ...ways,
    ...{ store, outbox, newId, name, placement, now, later, act, seen, apply },
    living: () => under.living(name),
    /** One sweep by a listing that has just been made; of this test's placement unless said otherwise. */
    swept: (items: readonly InventoryItem[], given: Partial<SweepAct> & Pick<SweepAct, 'graceMs'>) =>
      store.sweep({
        ...{
          placement,
          items,
          leftOvers: [],
          listedAt: now(),
          now: now(),
          staleAfterMs: STALE_MS,
          by: 'sweep',
        },
        ...given,
      }),
    /** Owners of this test's alone: what others hold does not count in their turn. */
    ...{ ada: `ada-${name}`, grace: `grace-${name}`, linus: `linus-${name}` },
    /** Lets time pass. */
    pass(ms: number): void {
      nowMs += ms;
    },
    /** Delivers every bell that is due; answers those that concern these machines, batches or jobs. */
    async bells(...subjects: readonly string[]): Promise<Bell[]> {
      const heard: Bell[] = [];
      const hear = (bells: readonly Bell[]): Promise<Map<number, Date>> => {
        heard.push(...bells);
        return Promise.resolve(new Map());
      };
      await outbox.deliver({ now: now(), limit: 10_000, deliver: hear });
      return heard.filter((bell) => subjects.some((subject) => JSON.stringify(bell).includes(subject)));
    },
  };
}

interface Base {
  store: Store;
  act(machine: string, by?: string): Act;
  seen(machine: string): Promise<Machine>;
  now(): Date;
  later(ms: number): Date;
  placement: Placement;
  newId(): string;
  name: string;
  apply(): Promise<Pool>;
}

function createWays(base: Base) {
  const { store, act, seen, now, later, placement, newId, name } = base;
  const claim = async (machine: string, step: 'stop' | 'delete' | 'provision', by = 'test') =>
    store.claim({ ...act(machine, by), step, until: later(CLAIM_MS) });
  const claimed = async (machine: string, step: 'stop' | 'delete' | 'provision', by?: string) => {
    const answer = await claim(machine, step, by);
    if (!answer.granted) throw new Error(`the ${step} of ${machine} was refused: ${answer.machine?.state}`);
    return seen(machine);
  };
  const joinAct = (machine: Machine, verb: Verb, lane: string) => ({
    ...act(machine.id),
    // Whatever claimed it before has run out by then.
    now: machine.claimedUntil !== null && machine.claimedUntil > now() ? machine.claimedUntil : now(),
    ...{
      step: stepOf(verb),
      until: later(2 * CLAIM_MS),
      token: machine.token,
      verb,
      lane,
      group: '',
      placement,
      closeAt: now(),
      size: 100,
    },
  });
  /** Puts claimed machines into a batch of their own lane and closes it. */
  const closed = async (verb: Verb, machines: readonly Machine[], lane = newId()): Promise<Batch> => {
    let batch = '';
    for (const machine of machines) batch = (await store.join(joinAct(machine, verb, lane))).batch?.id ?? '';
    const found = await store.closeBatch({ batch, by: 'lane', now: now(), until: later(CLAIM_MS) });
    if (found === undefined) throw new Error(`batch ${batch} could not be closed`);
    return found;
  };
  const record = async (batch: Batch, look: Partial<Look>) =>
    store.recordLook({
      ...{ batch: batch.id, token: batch.token, by: 'lane', now: now(), pools: await store.pools() },
      look: { ...IDLE, ...look },
    });
  /** Does a claimed act in the cloud for machines: batch, call, look. */
  const done = async (verb: Verb, machines: readonly Machine[]): Promise<void> => {
    const batch = await closed(verb, machines);
    await record(batch, { outcomes: everyone(machines, { state: 'done' }) });
  };
  const wished = async (count = 1): Promise<string[]> => {
    const view = (await store.viewPool(name)) ?? { pool: await base.apply(), version: 0 };
    const wish = { pool: view.pool, placement: placement.name, count, version: view.version };
    return [...(await store.provision({ ...wish, reason: 'test', now: now(), by: 'test' }))];
  };
  const booting = async (count = 1): Promise<string[]> => {
    const machines = await Promise.all((await wished(count)).map((id) => claimed(id, 'provision')));
    const batch = await closed('launch', machines);
    const launched = machines.map((machine) => running(`i-${machine.id}`));
    await record(batch, { launched });
    return machines.map((machine) => machine.id);
  };
  const ready = async (count = 1): Promise<string[]> => {
    const machines = await booting(count);
    for (const id of machines) await store.becomeReady({ ...act(id), token: (await seen(id)).token });
    return machines;
  };
  const request = async (given: Partial<LeaseRequest> = {}, pools = [name]): Promise<string> => {
    const id = newId();
    const asked: LeaseRequest = {
      ...{ owner: `ada-${name}`, selector: { pool: name }, priority: 0, idempotencyKey: null },
      ...{ waitTimeoutMs: 900_000, heartbeatTimeoutMs: 120_000, maxDurationMs: 3_600_000 },
      maxRetries: 0,
      ...given,
    };
    await store.requestLease({ id, request: asked, pools, now: now(), digest: 'digest' });
    return id;
  };
  const match = async (limit = 100) => {
    const pool = await store.pool(name);
    if (pool === undefined) throw new Error(`there is no pool ${name}`);
    return store.match({ pool, now: now(), by: 'match', limit });
  };
  const leased = async (given: Partial<LeaseRequest> = {}): Promise<{ machine: string; lease: string }> => {
    await ready();
    const lease = await request(given);
    await match();
    const machine = (await store.readLease(lease))?.machine ?? null;
    if (machine === null) throw new Error(`lease ${lease} got no machine`);
    return { machine, lease };
  };
  const end = async (
    lease: string,
    outcome: LeaseOutcome = 'completed',
    owner: string | null = `ada-${name}`,
  ) => store.endLease({ lease, owner, outcome, reason: null, by: 'test', now: now() });
  const ways = {
    claim,
    claimed,
    joinAct,
    closed,
    record,
    done,
    wished,
    booting,
    ready,
    request,
    match,
    leased,
    end,
  };
  return { ...ways, ...createHalts({ ...base, ...ways }) };
}

type Halting = Base & {
  claimed(machine: string, step: 'stop' | 'delete' | 'provision'): Promise<Machine>;
  done(verb: Verb, machines: readonly Machine[]): Promise<void>;
  leased(): Promise<{ machine: string; lease: string }>;
  end(lease: string): Promise<unknown>;
};

function createHalts(base: Halting) {
  const { store, act, seen, now, claimed, done, leased, end } = base;
  const intend = async (machine: string, kind: 'provision' | 'recycle' | 'park' | 'quarantine' | 'retire') =>
    store.openIntent({ ...act(machine), kind, reason: 'test', outcome: 'cancelled' });
  /** A machine whose lease has ended, in one of the states on its way. */
  const after = async (state: 'ending' | 'stopping' | 'stopped' | 'released' | 'resetting') => {
    const held = await leased();
    await end(held.lease);
    if (state === 'ending') return held;
    const stopping = await claimed(held.machine, 'stop');
    if (state === 'stopping') return held;
    await done('stop', [stopping]);
    if (state === 'stopped') return held;
    await store.release(act(held.machine));
    if (state === 'resetting') await claimed(held.machine, 'provision');
    return held;
  };
  /** A machine that was set aside after its lease. */
  const aside = async (kind: 'park' | 'quarantine'): Promise<string> => {
    const { machine } = await after('stopped');
    await intend(machine, kind);
    await store.release(act(machine));
    return machine;
  };
  const deleting = async (): Promise<Machine> => {
    const { machine } = await after('released');
    await intend(machine, 'retire');
    return claimed(machine, 'delete');
  };
  const recover = async (machine: string) => {
    const { deadlineAt } = await seen(machine);
    return store.recover({ ...act(machine, 'reconcile'), seenDeadline: deadlineAt ?? now() });
  };
  const states = async (...machines: readonly string[]): Promise<MachineState[]> =>
    Promise.all(machines.map(async (machine) => (await seen(machine)).state));
  return { intend, after, aside, deleting, recover, states };
}

function stepOf(verb: Verb): 'stop' | 'delete' | 'provision' {
  return verb === 'stop' || verb === 'delete' ? verb : 'provision';
}

export const IDLE: Look = {
  ...{ handle: 'sent', holdsLane: false, lookInMs: 1000, outcomes: {}, launched: [], settled: true },
};

/** The same progress for each of these machines' instances. */
export function everyone(machines: readonly Machine[], progress: Progress): Record<string, Progress> {
  return Object.fromEntries(machines.map((machine) => [machine.instance ?? '', progress]));
}

export function running(instance: string, address: string | null = '10.0.0.1'): LaunchedInstance {
  return { instance, state: 'running', address };
}
