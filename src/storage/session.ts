import pg from 'pg';

export interface SessionOptions {
  /** How long one statement, or a transaction that nobody goes on with, may take. */
  statementTimeoutMs: number;
  /** Known to lead through a pooler; otherwise each connection is asked. */
  isPooled: boolean;
}

export interface Sessions {
  /** For the pool to await: sets up a connection before its first statement. */
  onConnect(client: pg.ClientBase): Promise<void>;
  /** False where the next statement on it may reach another server process, which knows nothing of this one. */
  keeps(client: pg.ClientBase): boolean;
  /** What begins a transaction on it. */
  begin(client: pg.ClientBase): string;
}

/** PostgreSQL's own deadline comes first; where nothing is heard of it any more, ours follows. */
const SILENCE_MS = 2000;

/** Our deadlines of every statement and every wait for a connection, as the driver takes them. */
export function deadlines(statementTimeoutMs: number) {
  const silent = statementTimeoutMs + SILENCE_MS;
  return { connectionTimeoutMillis: Math.min(10_000, silent), query_timeout: silent };
}

/**
 * PostgreSQL's own deadlines, and other settings of a session, where there is one. Behind a pooler that hands out
 * server processes by the transaction, what a session is told would be told to somebody else: there each transaction
 * brings its deadlines, and a single statement has ours alone. Nothing is sent with the start of a connection, which
 * poolers refuse.
 */
export function createSessions(options: SessionOptions & { settings?: readonly string[] }): Sessions {
  const kept = new WeakSet<pg.ClientBase>();
  const limits = [
    `statement_timeout = ${options.statementTimeoutMs}`,
    // A process that freezes within a transaction lets go of its rows.
    `idle_in_transaction_session_timeout = ${options.statementTimeoutMs}`,
  ];
  const settings = [...limits, ...(options.settings ?? [])].map((each) => `set ${each}`).join('; ');
  const begin = ['begin', ...limits.map((each) => `set local ${each}`)].join('; ');
  return {
    async onConnect(client) {
      if (options.isPooled || !(await isSession(client))) return;
      await client.query(settings);
      kept.add(client);
    },
    keeps: (client) => kept.has(client),
    begin: (client) => (kept.has(client) ? 'begin' : begin),
  };
}

/**
 * True where this connection is a session of PostgreSQL's own: the process that serves it is the one that was named
 * when it was opened. A pooler names something of its own, since it has many.
 */
export async function isSession(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return 'processID' in client && client.processID === rows[0]?.pid;
}
