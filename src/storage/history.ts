import type { Ports } from '../fleet/ports.ts';
import { createCollector } from './collector.ts';
import type { Database, Row } from './database.ts';
import { COLLECTED } from './guarded-statement.ts';

export interface History {
  /** Every logged write in order, in the shapes of docs/history.md. */
  records(): AsyncGenerator<Record<string, unknown>>;
  witness: Ports['witness'];
}

const PAGE = 5000;

export function createHistory(database: Database): History {
  return {
    records: () => records(database),
    witness: createWitness(database),
  };
}

/** A round sees hundreds at once. */
function createWitness(database: Database): Ports['witness'] {
  const collect = createCollector<Record<string, unknown> & { machine: string }, true>({
    ...COLLECTED,
    key: (seen) => seen.machine,
    run: async (seen) => {
      await database.query(WITNESS, [JSON.stringify(seen)]);
      return new Map(seen.map((each) => [each.machine, true]));
    },
  });
  return async ({ at, ring, live, rung }) => {
    const { machine, step, since } = ring;
    if (machine !== null) await collect({ machine, step, since, at, live, rung: rung ? 'rung' : null });
  };
}

async function* records(database: Database): AsyncGenerator<Record<string, unknown>> {
  const [tracking] = await database.query(`show track_commit_timestamp`);
  // A server that keeps no commit times still orders the writes; the writer's own time is then the best known.
  const committed =
    tracking?.['track_commit_timestamp'] === 'on' ? 'pg_xact_commit_timestamp(t.xmin)' : 't.at';
  let after = 0;
  for (;;) {
    const rows = await database.query(`${SELECT(committed)} where t.seq > $1 order by t.seq limit ${PAGE}`, [
      after,
    ]);
    for (const row of rows) yield RECORDS[row['entity'] as keyof typeof RECORDS](row);
    if (rows.length < PAGE) return;
    after = rows.at(-1)?.['seq'] as number;
  }
}

const WITNESS = `insert into transition (entity, subject, machine_id, to_state, flag, outcome, at, deadline_at)
  select 'owed', machine::text, machine, step, live, rung, at, since from jsonb_to_recordset($1::jsonb)
    as i (machine uuid, step text, live boolean, rung text, at timestamptz, since timestamptz)`;

const SELECT = (committed: string): string => `select t.*, ${committed} as committed_at,
    l.pool as lease_pool from transition t left join lease l on t.entity = 'lease' and l.id = t.lease_id`;

const RECORDS = {
  machine: (row: Row) => ({
    ...common('machine', row),
    machine: row['subject'],
    pool: row['pool'],
    placement: row['placement'],
    from: row['from_state'],
    to: row['to_state'],
    token: row['token'],
    intent: row['intent_id'],
    intentKind: row['intent_kind'],
    lease: row['lease_id'],
    batch: row['batch_id'],
    instance: row['instance_id'],
    clean: row['flag'],
    deadlineAt: millis(row['deadline_at']),
    by: row['by'],
  }),
  lease: (row: Row) => ({
    ...common('lease', row),
    lease: row['subject'],
    pool: row['lease_pool'],
    from: row['from_state'],
    to: row['to_state'],
    machine: row['machine_id'],
    outcome: row['outcome'],
    deadlineAt: millis(row['deadline_at']),
  }),
  batch: (row: Row) => ({
    ...common('batch', row),
    batch: row['subject'],
    lane: row['pool'],
    verb: row['outcome'],
    state: row['to_state'],
    token: row['token'],
  }),
  owed: (row: Row) => ({
    type: 'owed',
    at: millis(row['at']),
    machine: row['subject'],
    step: row['to_state'],
    since: millis(row['deadline_at']),
    live: row['flag'],
    rung: row['outcome'] === 'rung',
  }),
  stale: (row: Row) => ({
    type: 'stale-write',
    at: millis(row['at']),
    machine: row['subject'],
    token: row['token'],
    ...(row['detail'] as Record<string, unknown>),
  }),
  instance: (row: Row) => ({
    ...common('instance', row),
    instance: row['subject'],
    pool: row['pool'],
    batch: row['batch_id'],
    machine: row['machine_id'],
    condemned: row['flag'],
    gone: row['outcome'],
  }),
};

function common(type: string, row: Row): Record<string, unknown> {
  return { type, seq: row['seq'], committedAt: millis(row['committed_at']), at: millis(row['at']) };
}

function millis(at: unknown): number | null {
  return at instanceof Date ? at.getTime() : null;
}
