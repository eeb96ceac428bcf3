import { DriverException } from '@mikro-orm/postgresql';
import pg from 'pg';
import { FleetError } from '../fleet/errors.ts';
import { createSessions, deadlines, type Sessions } from './session.ts';

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
export function createDatabase(options: DatabaseOptions): Database {
  const { statementTimeoutMs, isPooled = false } = options;
  const sessions = createSessions({ statementTimeoutMs, isPooled, settings: FIND_BY_KEY });
  const settings = {
    connectionString: options.url,
    max: options.connections,
    ...deadlines(statementTimeoutMs),
    types: { getTypeParser },
    // The pool waits for it, although its type does not say so.
    onConnect: sessions.onConnect,
  };
  const pool = new pg.Pool(settings);
  const prepare = createPreparing(sessions);
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    query: (text, values) => onLine(pool, ({ client }) => run(client, prepare(client, text, values))),
    transaction: (work) => onLine(pool, (line) => transaction(line, { sessions, prepare, work })),
    close: () => (closed ??= pool.end()),
  };
}

interface DatabaseOptions {
  url: string;
  connections: number;
  statementTimeoutMs: number;
  /** Known to lead through a pooler; otherwise each connection is asked. */
  isPooled?: boolean;
}

/** Counters and fencing tokens are numbers here: they stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) =>
  oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format);

/**
 * A plan is kept for long, and a table may have been empty when it was made: on a later million rows it must still
 * find each by its key, never read them all. Where there is no index PostgreSQL reads the table all the same. For the
 * same reason there is no use in trying what plan each set of values would get before one is kept.
 */
const FIND_BY_KEY = ['enable_seqscan = off', 'plan_cache_mode = force_generic_plan'];

interface Prepared {
  statement: pg.QueryConfig;
  /** Has the statement read and planned anew from now on. */
  forget(): void;
}
type Prepare = (client: pg.ClientBase, text: string, values: readonly unknown[] | undefined) => Prepared;

/**
 * Statements with values are read and planned once per connection: for a guard that costs as much as thirty of its
 * rows. Where another server process may get the next statement each is read and planned anew.
 */
function createPreparing(sessions: Sessions): Prepare {
  const names = new Map<string, string>();
  let made = 0;
  return (client, text, values) => {
    if (values === undefined) return { statement: { text }, forget: () => undefined };
    if (!sessions.keeps(client)) return { statement: { text, values: [...values] }, forget: () => undefined };
    const name = names.get(text) ?? `drover_${(made += 1)}`;
    names.set(text, name);
    return { statement: { name, text, values: [...values] }, forget: () => void names.delete(text) };
  };
}

interface Line {
  client: pg.PoolClient;
  /** It serves nobody else. */
  isBroken: boolean;
}

async function onLine<T>(pool: pg.Pool, work: (line: Line) => Promise<T>): Promise<T> {
  const line: Line = { client: await pool.connect().catch(toFleetError), isBroken: false };
  const onBroken = (): void => void (line.isBroken = true);
  // The pool listens to idle connections alone: one that breaks in here would end the process.
  line.client.on('error', onBroken);
  try {
    return await work(line);
  } catch (error) {
    line.isBroken ||= isUnavailable(error) && !isContention(error);
    throw error;
  } finally {
    line.client.off('error', onBroken);
    line.client.release(line.isBroken);
  }
}

async function transaction<T>(
  line: Line,
  { sessions, prepare, work }: { sessions: Sessions; prepare: Prepare; work: (sql: Sql) => Promise<T> },
): Promise<T> {
  const { client } = line;
  const query: Sql['query'] = (text, values) => run(client, prepare(client, text, values));
  try {
    await query(sessions.begin(client));
    const result = await work({ query });
    await query('commit');
    return result;
  } catch (error) {
    // Whoever no longer answers takes no rollback either: PostgreSQL ends the transaction with its connection.
    line.isBroken ||= isSilent(error);
    if (!line.isBroken) await client.query('rollback').catch(() => (line.isBroken = true));
    throw error;
  }
}

function isUnavailable(error: unknown): error is FleetError {
  return error instanceof FleetError && error.code === 'unavailable';
}

function isSilent(error: unknown): boolean {
  return isUnavailable(error) && error.vendorCode === undefined;
}

async function run(on: pg.PoolClient, { statement, forget }: Prepared): Promise<Row[]> {
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
