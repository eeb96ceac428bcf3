import { randomUUID } from 'node:crypto';
import type { Clock, Log } from '../../src/fleet/ports.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import type { Machine, Store } from '../../src/fleet/store.ts';
import type { Board } from '../../src/http/board.ts';
import {
  createHttpServer,
  HTTP_DEFAULTS,
  type HttpServer,
  type HttpSettings,
} from '../../src/http/http-server.ts';
import type { LeaseWaits } from '../../src/http/lease-wait.ts';
import { sha256 } from '../../src/http/sessions.ts';
import { createLeaseWaits } from '../../src/storage/lease-waits.ts';
import { createListener } from '../../src/storage/listener.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { createTestDatabase, type TestDatabase } from '../support/services.ts';

export const TOKENS = {
  ann: 'token-of-ann',
  bob: 'token-of-bob',
  operator: 'token-of-the-operator',
} as const;
export type Who = keyof typeof TOKENS;

const REAL_CLOCK: Clock = { now: () => new Date() };

const RECORDS = [
  { owner: 'ann', sha256: sha256(TOKENS.ann) },
  { owner: 'bob', sha256: sha256(TOKENS.bob) },
  { owner: 'operator', sha256: sha256(TOKENS.operator), operator: true },
];

export interface Fleet {
  store: Store;
  storage: Storage;
  database: TestDatabase;
  server: HttpServer;
  url: string;
  /** What the queues were asked for, in order. */
  rung: string[];
  /** How often the server has read a lease. */
  reads(): number;
  /** Everything logged, as JSON lines. */
  logged: string[];
  /** Sends a request (`GET /path`) as somebody; JSON in, JSON out. */
  send(who: Who | null, what: string, more?: Sent): Promise<Reply>;
  addPools(...pools: readonly Pool[]): Promise<void>;
  addReadyMachine(pool: Pool): Promise<Machine>;
  close(): Promise<void>;
}

export interface Sent {
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Reply {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export interface FleetOptions {
  settings?: Partial<HttpSettings>;
  waits?: LeaseWaits;
  board?: Board;
  /** The server's, instead of the real one. */
  clock?: Clock;
  checks?: { store(): Promise<unknown>; redis(): Promise<unknown> };
  /** Stands before the store, to make it fail. */
  wrapStore?: (store: Store) => Store;
  /** Rings for scaling, instead of writing it down. */
  scale?: (pool: string) => Promise<void>;
  /** Where the server's storage finds the database, instead of directly. */
  through?: (databaseUrl: string) => Promise<string>;
}

/** The real server over the real store in a database of its own. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { clock } = { clock: REAL_CLOCK, ...options };
  const database = await createTestDatabase();
  const reachedAt = (await options.through?.(database.url)) ?? database.url;
  const storage = await createStorage({ url: reachedAt, connections: 6 });
  const listener = createListener({ url: database.url, onError: () => undefined, onDeaf: () => undefined });
  await listener.start();
  const logged: string[] = [];
  const rung: string[] = [];
  let reads = 0;
  const counted: Store = {
    ...storage.store,
    readLease: (lease) => {
      reads += 1;
      return storage.store.readLease(lease);
    },
  };
  const store = options.wrapStore?.(counted) ?? counted;
  const server = createHttpServer({
    store,
    views: storage.views,
    jobs: {
      nudge: () => void rung.push('nudge'),
      scale: options.scale ?? (async (pool) => void rung.push(`scale ${pool}`)),
    },
    waits: options.waits ?? createLeaseWaits(listener, () => new Date()),
    checks: options.checks ?? { store: () => storage.ping(), redis: async () => undefined },
    clock,
    newId: randomUUID,
    log: collectingLog(logged),
    tokens: RECORDS,
    settings: { ...HTTP_DEFAULTS, ...options.settings },
    ...(options.board !== undefined && { board: options.board }),
    version: '0.0.0-test',
  });
  const url = await server.listen();
  return {
    store: storage.store,
    storage,
    database,
    server,
    url,
    rung,
    reads: () => reads,
    logged,
    send: (who, what, more) => send(url, { what, who, ...more }),
    addPools: (...pools) => storage.store.applyPools({ pools, now: new Date() }),
    addReadyMachine: (pool) => addReadyMachine(storage.store, pool),
    async close() {
      await server.stop();
      await listener.stop();
      await storage.close();
      await database.drop();
    },
  };
}

async function send(url: string, act: Sent & { what: string; who: Who | null }): Promise<Reply> {
  const [method = '', path = ''] = act.what.split(' ', 2);
  const response = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      ...(act.who !== null && { authorization: `Bearer ${TOKENS[act.who]}` }),
      ...(act.body !== undefined && { 'content-type': 'application/json' }),
      ...act.headers,
    },
    ...(act.body !== undefined && {
      body: typeof act.body === 'string' ? act.body : JSON.stringify(act.body),
    }),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

function collectingLog(lines: string[]): Log {
  const write = (fields: Record<string, unknown>, message: string) => {
    const err = fields['err'] instanceof Error ? fields['err'].stack : fields['err'];
    lines.push(JSON.stringify({ ...fields, err, message }));
  };
  return { info: write, warn: write, error: write };
}

/** A pool with sensible values for everything a test does not care about. */
export function aPool(over: Partial<Pool> = {}): Pool {
  const name = over.name ?? 'guests';
  return {
    name,
    platform: 'windows',
    arch: 'x64',
    tags: ['office'],
    minIdle: 0,
    max: 50,
    idleTimeoutMs: 600_000,
    recycle: 'reset',
    halt: 'power-off',
    maxUses: null,
    maxMachineHoursPerDay: null,
    probe: { kind: 'none' },
    deadlines: {},
    placements: [{ pool: name, name: 'here', provider: 'memory', spec: { userData: 'not for everybody' } }],
    owner: 'file',
    draining: false,
    ...over,
  };
}

/** Leads a new machine through the store's own acts until it is ready. */
async function addReadyMachine(store: Store, pool: Pool): Promise<Machine> {
  const now = new Date();
  const by = 'test';
  const until = new Date(now.getTime() + 60_000);
  const placement = there(pool.placements[0]);
  const { version } = there(await store.viewPool(pool.name));
  const wish = { pool, placement: placement.name, count: 1, version, reason: 'test', now, by };
  const machine = there((await store.provision(wish))[0]);
  const act = { machine, by, now, deadlines: pool.deadlines };
  const lane = { verb: 'launch', lane: machine, group: 'all', placement, closeAt: now, size: 1 } as const;
  const batch = there((await store.join({ ...act, ...lane, step: 'provision', until })).batch);
  const closed = there(await store.closeBatch({ batch: batch.id, by, now, until }));
  const look = {
    handle: null,
    holdsLane: false,
    lookInMs: 0,
    outcomes: {},
    launched: [{ instance: `i-${machine}`, state: 'running', address: '10.0.0.7' }],
    settled: true,
  } as const;
  await store.recordLook({ batch: batch.id, token: closed.token, by, now, pools: [pool], look });
  const booting = there(await store.look(machine));
  const ready = await store.becomeReady({ ...act, token: booting.token });
  if (!ready.granted) throw new Error(`the machine is ${booting.state} and did not become ready`);
  return there(await store.look(machine));
}

function there<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('a step of making a machine ready was refused');
  return value;
}
