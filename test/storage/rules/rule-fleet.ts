import { AssertionError } from 'node:assert';
import { randomUUID } from 'node:crypto';
import type { IntentKind, Step } from '../../../src/fleet/lifecycle.ts';
import { type Lease, LEASE_DEFAULTS, type Pool } from '../../../src/fleet/pool.ts';
import type { Look, Verb } from '../../../src/fleet/provider.ts';
import type { Act, Answer, Batch, Machine, OpenIntentAct, Store } from '../../../src/fleet/store.ts';
import { createDatabase } from '../../../src/storage/database.ts';
import { createStorage } from '../../../src/storage/storage.ts';
import { aPool } from '../../support/pools.ts';
import { createTestDatabase } from '../../support/services.ts';

export interface Held {
  machine: Machine;
  lease: Lease;
}

export interface Claim {
  step: Exclude<Step, 'release'>;
  /** Seconds after the beginning: when it is made, and until when it lasts. */
  at?: number;
  until?: number;
}

/** The store's acts on the machines of one pool, at moments that a test chooses: nothing waits. */
export interface RuleFleet {
  store: Store;
  url: string;
  pool: Pool;
  /** A statement of the test's own, beside every guard. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** So many seconds after the beginning. */
  at(seconds: number): Date;
  act(machine: string, seconds?: number): Act;
  look(machine: string): Promise<Machine>;
  claim(machine: string, claim: Claim): Promise<Answer>;
  /** Puts a machine into a batch of its own. */
  join(machine: string, verb: Verb, more?: { lane?: string; size?: number }): Promise<Joined>;
  close(batch: string, on?: { at?: number; until?: number }): Promise<Batch>;
  record(batch: Pick<Batch, 'id' | 'token'>, look: Partial<Look>, seconds?: number): Promise<boolean>;
  open(machine: string, kind: IntentKind, more?: Partial<OpenIntentAct>): Promise<Answer>;
  requestLease(): Promise<Lease>;
  match(): Promise<readonly Lease[]>;
  end(lease: Lease): Promise<void>;
  /** A wish that nothing has been done about. */
  requested(): Promise<Machine>;
  /** A claimed step whose call has been sent, in a batch of its own. */
  sent(machine: string, claim: Claim, verb: Verb): Promise<Batch>;
  booting(): Promise<Machine>;
  ready(): Promise<Machine>;
  leased(): Promise<Held>;
  /** A machine whose lease is ending, with an open intent of this kind. */
  ending(kind: 'recycle' | 'park' | 'quarantine' | 'retire'): Promise<Held>;
  /** The same, gone on to stopping, stopped and released. */
  stopping(kind: 'recycle' | 'park' | 'quarantine' | 'retire'): Promise<Held>;
  stopped(kind: 'recycle' | 'park' | 'quarantine' | 'retire'): Promise<Held>;
  released(kind: 'recycle' | 'retire'): Promise<Held>;
}

export type Joined = Awaited<ReturnType<Store['join']>>;

const BEGINNING = Date.parse('2030-01-01T00:00:00Z');
const at = (seconds: number): Date => new Date(BEGINNING + seconds * 1000);
const BY = 'a test';

export interface RuleDatabase {
  /** A pool of its own for one test, whose machines are reset after each lease. */
  addPool(over?: Partial<Pool>): Promise<RuleFleet>;
  shut(): Promise<void>;
}

/** Opens a database for one file of tests. */
export async function openRuleDatabase(): Promise<RuleDatabase> {
  const database = await createTestDatabase();
  const storage = await createStorage({ url: database.url, connections: 4 });
  const raw = createDatabase({ url: database.url, connections: 2, statementTimeoutMs: 20_000 });
  const pools: Pool[] = [];
  return {
    async addPool(over = {}) {
      const pool = aPool({ name: `pool-${pools.length}`, recycle: 'reset', max: 100, ...over });
      pools.push(pool);
      await storage.store.applyPools({ pools, now: at(0) });
      const acts = createActs(storage.store, pool);
      return { url: database.url, sql: raw.query, at, ...acts, ...createStates(acts) };
    },
    async shut() {
      await raw.close();
      await storage.close();
      await database.drop();
    },
  };
}

type Acts = Pick<
  RuleFleet,
  'act' | 'look' | 'claim' | 'join' | 'close' | 'record' | 'open' | 'requestLease' | 'match' | 'end'
> & { store: Store; pool: Pool };

function createActs(store: Store, pool: Pool): Acts {
  const [placement = missing('placement')] = pool.placements;
  const act = (machine: string, seconds = 0): Act => {
    return { machine, by: BY, now: at(seconds), deadlines: pool.deadlines };
  };
  const look = async (machine: string): Promise<Machine> => (await store.look(machine)) ?? missing(machine);
  return {
    ...{ store, pool, act, look },
    claim: (machine, { step, at: seconds = 0, until = seconds + 10 }) =>
      store.claim({ ...act(machine, seconds), step, until: at(until) }),
    async join(machine, verb, { lane = randomUUID(), size = 10 } = {}) {
      const { claimedUntil } = await look(machine);
      const step = verb === 'stop' || verb === 'delete' ? verb : 'provision';
      // Whatever claimed it before has run out by then.
      const now = claimedUntil ?? at(0);
      return store.join({
        ...{
          ...act(machine),
          step,
          now,
          until: at(20),

          verb,
          lane,
          group: '',
          placement,
          closeAt: at(0),
          size,
        },
      });
    },
    async close(batch, { at: seconds = 0, until = seconds + 10 } = {}) {
      const closed = await store.closeBatch({ batch, by: BY, now: at(seconds), until: at(until) });
      return closed ?? missing('open batch');
    },
    async record({ id, token }, seen, seconds = 0) {
      const look = { ...NOTHING_SEEN, ...seen };
      const act = { batch: id, token, look, by: BY, now: at(seconds), pools: [pool] };
      return (await store.recordLook(act)).recorded;
    },
    open: (machine, kind, more = {}) =>
      store.openIntent({ ...act(machine), kind, reason: 'a test', outcome: 'lost', ...more }),
    async requestLease() {
      const request = { owner: 'ann', selector: {}, idempotencyKey: null, ...LEASE_DEFAULTS };
      const asked = { id: randomUUID(), request, pools: [pool.name], now: at(0), digest: '' };
      const stored = await store.requestLease(asked);
      return stored === 'conflict' ? missing('lease') : stored.lease;
    },
    match: () => store.match({ pool, now: at(0), by: BY, limit: 100 }),
    async end(lease) {
      const act = { lease: lease.id, owner: null, outcome: 'completed', reason: null } as const;
      await store.endLease({ ...act, by: BY, now: at(0) });
    },
  };
}

export const NOTHING_SEEN: Look = {
  handle: null,
  holdsLane: false,
  lookInMs: 1000,
  outcomes: {},
  launched: [],
  settled: false,
};

type States = Omit<RuleFleet, keyof Acts | 'url' | 'sql' | 'at'>;

function createStates(acts: Acts): States {
  const { store, pool, look } = acts;
  const states: States = {
    async requested() {
      const view = (await store.viewPool(pool.name)) ?? missing('pool');
      const wish = { pool, placement: pool.placements[0]?.name ?? '', count: 1, version: view.version };
      const [id = missing('machine')] = await store.provision({ ...wish, reason: BY, now: at(0), by: BY });
      return look(id);
    },
    async sent(machine, claim, verb) {
      await acts.claim(machine, claim);
      const { batch } = await acts.join(machine, verb);
      return acts.close(batch?.id ?? missing('batch'), claim);
    },
    async booting() {
      const { id } = await states.requested();
      const batch = await states.sent(id, { step: 'provision' }, 'launch');
      const launched = [{ instance: `i-${id}`, state: 'running', address: '10.0.0.1' } as const];
      await acts.record(batch, { launched, settled: true });
      return look(id);
    },
    async ready() {
      const { id, token } = await states.booting();
      await store.becomeReady({ ...acts.act(id), token });
      return look(id);
    },
    async leased() {
      const { id } = await states.ready();
      const asked = await acts.requestLease();
      await acts.match();
      const lease = (await store.readLease(asked.id)) ?? missing('lease');
      return { machine: await look(id), lease };
    },
    async ending(kind) {
      const { machine, lease } = await states.leased();
      if (kind === 'recycle') await acts.end(lease);
      else await acts.open(machine.id, kind, { outcome: 'completed' });
      return { machine: await look(machine.id), lease };
    },
    async stopping(kind) {
      const { machine, lease } = await states.ending(kind);
      await acts.claim(machine.id, { step: 'stop' });
      return { machine: await look(machine.id), lease };
    },
    async stopped(kind) {
      const { machine, lease } = await states.stopping(kind);
      await store.finish({ ...acts.act(machine.id), step: 'stop', token: machine.token });
      return { machine: await look(machine.id), lease };
    },
    async released(kind) {
      const { machine, lease } = await states.stopped(kind);
      await store.release(acts.act(machine.id));
      return { machine: await look(machine.id), lease };
    },
  };
  return states;
}

function missing(what: string): never {
  throw new AssertionError({ message: `there is no ${what}` });
}
