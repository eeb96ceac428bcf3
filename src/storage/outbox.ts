import type { IntentKind, MachineState, Step } from '../fleet/lifecycle.ts';
import type { Bell, Outbox } from '../fleet/outbox.ts';
import type { Database, Row, Sql } from './database.ts';

export function createOutbox(database: Database): Outbox {
  return {
    async deliver(act) {
      // Most looks find nothing, and should cost no transaction.
      if ((await database.query(WAITING, [act.now])).length === 0) return 0;
      return database.transaction(async (sql) => {
        const rows = await sql.query(TAKE, [act.now, act.limit]);
        if (rows.length === 0) return 0;
        const bells = rows.map(toBell).filter((bell) => bell !== undefined);
        const putOff = await act.deliver(bells);
        await settle(sql, rows, putOff);
        return rows.length;
      });
    },
  };
}

const WAITING = `select from outbox where due_at <= $1 limit 1`;

/** Rows another relay is delivering are left to it. */
const TAKE = `select o.*, m.state, m.intent_kind, m.intent_id as machine_intent
  from (select * from outbox where due_at <= $1 order by id limit $2 for update skip locked) o
    left join machine m on m.id = o.machine_id
  order by o.id`;

/** A flow whose intent has been replaced or done meanwhile needs no publishing: its successor has its own row. */
function toBell(row: Row): Bell | undefined {
  const id = row['id'] as number;
  switch (row['kind'] as Bell['kind']) {
    case 'wake':
      return { id, kind: 'wake', job: row['job'] as string, tries: row['tries'] as number };
    case 'batch':
      return { id, kind: 'batch', batch: row['batch_id'] as string, ring: row['ring'] as number };
    case 'flow':
      if (row['machine_intent'] !== row['intent_id']) return undefined;
      return {
        ...{ id, kind: 'flow', ...machineOf(row) },
        ...{ state: row['state'] as MachineState, intentKind: row['intent_kind'] as IntentKind },
      };
    case 'step':
      return { id, kind: 'step', ...machineOf(row), step: row['step'] as Step, ring: row['ring'] as number };
  }
}

function machineOf(row: Row): { machine: string; intent: string; pool: string } {
  return {
    machine: row['machine_id'] as string,
    intent: row['intent_id'] as string,
    pool: row['pool'] as string,
  };
}

async function settle(sql: Sql, rows: readonly Row[], putOff: ReadonlyMap<number, Date>): Promise<void> {
  const done = rows.map((row) => row['id'] as number).filter((id) => !putOff.has(id));
  await sql.query(`delete from outbox where id = any($1::bigint[])`, [done]);
  if (putOff.size > 0) await sql.query(PUT_OFF, [[...putOff.keys()], [...putOff.values()]]);
}

const PUT_OFF = `update outbox o set due_at = p.due_at, tries = o.tries + 1
  from unnest($1::bigint[], $2::timestamptz[]) as p (id, due_at) where o.id = p.id`;
