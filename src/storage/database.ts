import { DriverException } from '@mikro-orm/postgresql';
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
  const settings = {
    connectionString: options.url,
    max: options.connections,
    ...deadlines(options.statementTimeoutMs),
    types: { getTypeParser },
    // The pool waits for it, although its type does not say so.
    onConnect: findByKey,
  };
  const pool = new pg.Pool(settings);
  const prepare = createPreparing();
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    query: (text, values) => run(pool, prepare(text, values)),
    transaction: (work) => transaction(pool, { prepare, work }),
    close: () => (closed ??= pool.end()),
  };
}

/** PostgreSQL's own deadline comes first; where nothing is heard of it any more, ours follows. */
const SILENCE_MS = 2000;

/** Deadlines of every statement and every wait for a connection, as the driver takes them. */
export function deadlines(statementTimeoutMs: number) {
  const silent = statementTimeoutMs + SILENCE_MS;
  return {
    connectionTimeoutMillis: Math.min(10_000, silent),
    statement_timeout: statementTimeoutMs,
    // A process that freezes within a transaction lets go of its rows.
    idle_in_transaction_session_timeout: statementTimeoutMs,
    query_timeout: silent,
  };
}

/** Counters and fencing tokens are numbers here: they stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) =>
  oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format);

/**
 * A plan is kept for long, and a table may have been empty when it was made: on a later million rows it must still
 * find each by its key, never read them all. Where there is no index PostgreSQL reads the table all the same. For the
 * same reason there is no use in trying what plan each set of values would get before one is kept.
 */
async function findByKey(client: pg.ClientBase): Promise<void> {
  await client.query('set enable_seqscan = off; set plan_cache_mode = force_generic_plan');
}

interface Prepared {
  statement: pg.QueryConfig;
  /** Has the statement read and planned anew from now on. */
  forget(): void;
}
type Prepare = (text: string, values: readonly unknown[] | undefined) => Prepared;

/** Statements with values are read and planned once per connection: for a guard that costs as much as thirty of its rows. */
function createPreparing(): Prepare {
  const names = new Map<string, string>();
  let made = 0;
  return (text, values) => {
    if (values === undefined) return { statement: { text }, forget: () => undefined };
    const name = names.get(text) ?? `drover_${(made += 1)}`;
    names.set(text, name);
    return { statement: { name, text, values: [...values] }, forget: () => void names.delete(text) };
  };
}

async function transaction<T>(
  pool: pg.Pool,
  { prepare, work }: { prepare: Prepare; work: (sql: Sql) => Promise<T> },
): Promise<T> {
  const client = await pool.connect().catch(toFleetError);
  let broken = false;
  const onBroken = (): void => void (broken = true);
  // The pool listens to idle connections alone: one that breaks in here would end the process.
  client.on('error', onBroken);
  try {
    await run(client, prepare('begin', undefined));
    const result = await work({ query: (text, values) => run(client, prepare(text, values)) });
    await run(client, prepare('commit', undefined));
    return result;
  } catch (error) {
    // Whoever no longer answers takes no rollback either: PostgreSQL ends the transaction with its connection.
    broken ||= isSilent(error);
    if (!broken) await client.query('rollback').catch(() => (broken = true));
    throw error;
  } finally {
    client.off('error', onBroken);
    client.release(broken);
  }
}

function isSilent(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'unavailable' && error.vendorCode === undefined;
}

async function run(on: pg.Pool | pg.PoolClient, { statement, forget }: Prepared): Promise<Row[]> {
  try {
    const result = await on.query(statement);
    return result.rows as Row[];
  } catch (error) {
    if (!isOutdated(error)) return toFleetError(error);
    forget();
    const message = 'a table has changed since a statement was prepared; the next try prepares it anew';
    throw new FleetError(message, { code: 'unavailable', remedy: 'retry-later', cause: error });
  }
}

/** As a migration under running processes does it. */
function isOutdated(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.routine === 'RevalidateCachedQuery';
}

/** What a unit of work answers; where PostgreSQL refused it or did not answer, the error is a FleetError. */
export async function fromUnitOfWork<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isDrivers(error)) return toFleetError(error);
    throw error;
  }
}

/** The beginning and the commit of a unit of work fail with the driver's own errors, which may be plain ones. */
function isDrivers(error: unknown): boolean {
  if (error instanceof DriverException || error instanceof pg.DatabaseError) return true;
  return error instanceof Error && error.constructor === Error;
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
