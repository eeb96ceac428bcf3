import pg from 'pg';
import { FleetError } from '../fleet/errors.ts';

export type Row = Record<string, unknown>;

/** Runs statements; a transaction hands out the same shape bound to one connection. */
export interface Sql {
  query(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface Database extends Sql {
  /** One transaction on one connection: commits when `work` returns, rolls back when it throws. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A bounded pool of connections; every statement and every wait for a connection has a deadline. */
export function createDatabase(options: {
  url: string;
  connections: number;
  statementTimeoutMs: number;
}): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connections,
    connectionTimeoutMillis: 10_000,
    statement_timeout: options.statementTimeoutMs,
    // A process that freezes within a transaction lets go of its rows.
    idle_in_transaction_session_timeout: options.statementTimeoutMs,
    types: { getTypeParser },
  });
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    query: (text, values) => run(pool, text, values),
    transaction: (work) => transaction(pool, work),
    close: () => (closed ??= pool.end()),
  };
}

/** Counters and fencing tokens are numbers here: they stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) =>
  oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format);

async function transaction<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(toFleetError);
  let broken = false;
  const onBroken = (): void => void (broken = true);
  // The pool listens to idle connections alone: one that breaks in here would end the process.
  client.on('error', onBroken);
  try {
    await run(client, 'begin');
    const result = await work({ query: (text, values) => run(client, text, values) });
    await run(client, 'commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => (broken = true));
    throw error;
  } finally {
    client.off('error', onBroken);
    client.release(broken);
  }
}

async function run(on: pg.Pool | pg.PoolClient, text: string, values?: readonly unknown[]): Promise<Row[]> {
  try {
    const result = await on.query(text, values === undefined ? undefined : [...values]);
    return result.rows as Row[];
  } catch (error) {
    return toFleetError(error);
  }
}

/** A refused constraint keeps its SQLSTATE as vendorCode; everything else means the database is away for now. */
function toFleetError(error: unknown): never {
  if (!(error instanceof Error)) throw error;
  const state = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const vendorCode = state === undefined ? {} : { vendorCode: state };
  if (state?.startsWith('23')) {
    throw new FleetError(error.message, { code: 'refused', remedy: 'give-up', cause: error, ...vendorCode });
  }
  if (state !== undefined && MISTAKES.test(state)) {
    throw new FleetError(error.message, { code: 'internal', remedy: 'give-up', cause: error, ...vendorCode });
  }
  const message = `PostgreSQL did not answer (${error.message}); trying again until it is back`;
  throw new FleetError(message, { code: 'unavailable', remedy: 'retry-later', cause: error, ...vendorCode });
}

/** SQLSTATE classes that mean a mistake in a statement or its data, which no waiting mends. */
const MISTAKES = /^(22|42|0A|2B|P0)/;

/** True where this is the refusal of a unique index. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof FleetError && error.vendorCode === '23505';
}

/** True where PostgreSQL broke a deadlock or a serialization conflict by ending this transaction: do it again. */
export function isContention(error: unknown): boolean {
  return error instanceof FleetError && (error.vendorCode === '40P01' || error.vendorCode === '40001');
}
