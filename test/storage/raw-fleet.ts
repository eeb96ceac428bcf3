import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { HELD_STATES, type LeaseState, type MachineState } from '../../src/fleet/lifecycle.ts';
import { createTestDatabase } from '../support/services.ts';

type Row = Record<string, unknown>;

/** A migrated database, written to by plain SQL alone: no statement of ours stands between a test and the fences. */
export interface RawFleet {
  client: Client;
  url: string;
  /** Runs a statement that must pass. */
  run(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Adds a row; columns that a test does not care about get something lawful. */
  machine(columns?: Row): Promise<string>;
  lease(columns?: Row): Promise<string>;
  batch(columns?: Row): Promise<string>;
  instance(columns?: Row): Promise<string>;
  intent(columns: Row): Promise<string>;
  /** A machine in one of the states of a hold, with the lease that holds it. */
  held(state: MachineState, lease: LeaseState): Promise<{ machine: string; lease: string }>;
  /** Runs an attempt and tells what came of it. */
  attempt(attempt: Attempt): Promise<Attempted>;
  /** What stands in every table that could tell of a change. */
  everything(): Promise<string>;
  /** Keeps what follows apart until `undo`: attempts are then savepoints, and no test meets another's rows. */
  begin(): Promise<void>;
  undo(): Promise<void>;
  close(): Promise<void>;
}

/** Statements of one transaction, or a function that tries by other means. */
export type Attempt = readonly string[] | (() => Promise<unknown>);

interface Attempted {
  /** The SQLSTATE it was refused with; undefined where it was not, or not by PostgreSQL. */
  sqlstate?: string | undefined;
  message?: string;
  changed: boolean;
}

/** What an attempt must come to: refused by the database itself, and without any trace. */
export function refused(sqlstate: string): Attempted {
  return { sqlstate, changed: false };
}

const now = new Date('2030-01-01T00:00:00Z');

export async function openRawFleet(): Promise<RawFleet> {
  const database = await createTestDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const fleet = createRawFleet(client, database.url);
  await fleet.run(
    `insert into pool (name, spec, owner, recycle, max, created_at, updated_at) values ('guests', '{}', 'api', 'reset', 9, $1, $1)`,
    [now],
  );
  return {
    ...fleet,
    async close() {
      await client.end();
      await database.drop();
    },
  };
}

function createRawFleet(client: Client, url: string): Omit<RawFleet, 'close'> {
  const run = async (text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await client.query<Row>(text, [...values])).rows;
  const insert = async (table: string, row: Row): Promise<string> => {
    const columns = Object.keys(row);
    const places = columns.map((_, index) => `$${index + 1}`);
    await run(
      `insert into ${table} (${columns.join(', ')}) values (${places.join(', ')})`,
      Object.values(row),
    );
    return String(row['id']);
  };
  let isApart = false;
  const machine: RawFleet['machine'] = (columns) => insert('machine', { ...aMachine(), ...columns });
  const lease: RawFleet['lease'] = (columns) => insert('lease', { ...aLease(), ...columns });
  const everything = (): Promise<string> => readEverything(run);
  return {
    ...{ client, url, run, machine, lease, everything },
    batch: (columns) => insert('batch', { ...aBatch(), ...columns }),
    instance: (columns) => insert('instance', { ...anInstance(), ...columns }),
    intent: (columns) => insert('intent', { id: randomUUID(), reason: 'a test', opened_at: now, ...columns }),
    async begin() {
      await client.query('begin');
      isApart = true;
    },
    async undo() {
      await client.query('rollback');
      isApart = false;
    },
    async held(state, leaseState) {
      const ids = { machine: randomUUID(), lease: randomUUID() };
      const outcome = leaseState === 'active' ? null : 'completed';
      await machine({ id: ids.machine, state, lease_id: ids.lease, instance_id: `i-${ids.machine}` });
      await lease({ id: ids.lease, state: leaseState, outcome, machine_id: ids.machine });
      return ids;
    },
    async attempt(attempt) {
      const before = await everything();
      const refusal = await refusalOf(client, attempt, isApart ? SAVEPOINT : TRANSACTION);
      return { ...refusal, changed: (await everything()) !== before };
    },
  };
}

const TRANSACTION = { begin: 'begin', commit: 'commit', undo: 'rollback' };
const SAVEPOINT = {
  begin: 'savepoint attempt',
  commit: 'release savepoint attempt',
  undo: 'rollback to savepoint attempt',
};

async function refusalOf(
  client: Client,
  attempt: Attempt,
  words: typeof TRANSACTION,
): Promise<Omit<Attempted, 'changed'>> {
  try {
    if (typeof attempt === 'function') await attempt();
    else {
      await client.query(words.begin);
      for (const statement of attempt) await client.query(statement);
      await client.query(words.commit);
    }
    return {};
  } catch (error) {
    return toRefusal(error);
  } finally {
    await client.query(words.undo);
  }
}

function toRefusal(error: unknown): Omit<Attempted, 'changed'> {
  if (!(error instanceof Error)) throw error;
  const sqlstate = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { sqlstate, message: error.message };
}

const TABLES = [
  'pool',
  'machine',
  'lease',
  'intent',
  'instance',
  'batch',
  'batch_member',
  'transition',
  'outbox',
];

/** A digest of each row, summed up: as good as the rows for telling that none has changed, and cheap. */
async function readEverything(run: RawFleet['run']): Promise<string> {
  const parts = TABLES.map(
    (table) => `(select array[count(*), sum(hashtextextended(t::text, 0))] from ${table} t) as ${table}`,
  );
  return JSON.stringify(await run(`select ${parts.join(', ')}`));
}

function aMachine(): Row {
  const changed = { created_at: now, changed_by: 'a test', changed_at: now };
  return {
    id: randomUUID(),
    pool: 'guests',
    placement: 'here',
    state: 'ready',
    clean: true,
    state_since: now,
    ...changed,
  };
}

function aLease(): Row {
  const clocks = { wait_timeout_ms: 1000, heartbeat_timeout_ms: 1000, max_duration_ms: 1000 };
  const rest = { digest: 'd', pools: ['guests'], priority: 0, requested_at: now, changed_at: now };
  return { id: randomUUID(), owner: 'ann', state: 'pending', ...clocks, ...rest };
}

function aBatch(): Row {
  const rest = {
    placement: '{}',
    size: 10,
    close_at: now,
    opened_at: now,
    changed_by: 'a test',
    changed_at: now,
  };
  return { id: randomUUID(), lane: randomUUID(), verb: 'launch', grp: 'g', state: 'open', ...rest };
}

function anInstance(): Row {
  const rest = { sighted_at: now, changed_by: 'a test', changed_at: now };
  return { id: `i-${randomUUID()}`, pool: 'guests', placement: 'here', ...rest };
}

export function isHeld(state: MachineState): boolean {
  return (HELD_STATES as readonly MachineState[]).includes(state);
}
