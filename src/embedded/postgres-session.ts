import { Pool } from 'pg';

/** A look into a database from outside of the program that keeps it. */
export interface PostgresSession {
  /** Rejects while the server is away, and within seconds where it falls silent; the next query connects anew. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

const ANSWER_WITHIN_MS = 5_000;

/** Opens nothing before the first query. */
export function openPostgresSession(url: string): PostgresSession {
  const pool = new Pool({
    connectionString: url,
    max: 2,
    connectionTimeoutMillis: ANSWER_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
  });
  // A connection that breaks while idle is replaced; without a listener it would end the process.
  pool.on('error', () => undefined);
  return {
    query: async (text, values = []) => (await pool.query(text, [...values])).rows,
    close: () => pool.end(),
  };
}
