import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { expect } from 'vitest';
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
  /** Runs an attempt that PostgreSQL must refuse with one of these SQLSTATEs, and that must have changed nothing. */
  refuses(attempt: Attempt, states: readonly string[]): Promise<void>;
  /** What stands in every table that could tell of a change. */
  everything(): Promise<string>;
  close(): Promise<void>;
}

/** Statements of one transaction, or a function that tries by other means. */
export type Attempt = readonly string[] | (() => Promise<unknown>);

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
  const machine: RawFleet['machine'] = (columns) => insert('machine', { ...aMachine(), ...columns });
  const lease: RawFleet['lease'] = (columns) => insert('lease', { ...aLease(), ...columns });
  const everything = (): Promise<string> => readEverything(run);
  return {
    ...{ client, url, run, machine, lease, everything },
    batch: (columns) => insert('batch', { ...aBatch(), ...columns }),
    instance: (columns) => insert('instance', { ...anInstance(), ...columns }),
    intent: (columns) => insert('intent', { id: randomUUID(), reason: 'a test', opened_at: now, ...columns }),
    async held(state, leaseState) {
      const ids = { machine: randomUUID(), lease: randomUUID() };
      const outcome = leaseState === 'active' ? null : 'completed';
      await machine({ id: ids.machine, state, lease_id: ids.lease, instance_id: `i-${ids.machine}` });
      await lease({ id: ids.lease, state: leaseState, outcome, machine_id: ids.machine });
      return ids;
    },
    async refuses(attempt, states) {
      const before = await everything();
      const refusal = await refusalOf(client, attempt);
      expect(refusal, `it was not refused: ${String(attempt)}`).toBeDefined();
      expect(states, refusal?.message ?? '').toContain(refusal?.state);
      expect(await everything()).toBe(before);
    },
  };
}

async function refusalOf(client: Client, attempt: Attempt): Promise<Refusal | undefined> {
  try {
    if (typeof attempt === 'function') await attempt();
    else {
      await client.query('begin');
      for (const statement of attempt) await client.query(statement);
      await client.query('commit');
    }
    return undefined;
  } catch (error) {
    return toRefusal(error);
  } finally {
    await client.query('rollback');
  }
}

interface Refusal {
  /** The SQLSTATE; undefined for an error that did not come from PostgreSQL. */
  state: string | undefined;
  message: string;
}

function toRefusal(error: unknown): Refusal {
  if (!(error instanceof Error)) throw error;
  const state = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { state, message: error.message };
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
