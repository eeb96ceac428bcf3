import { randomUUID } from 'node:crypto';
import type { Answer, JoinAct } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import type { Database, Row, Sql } from './database.ts';
import { COLLECTED, STALE } from './guarded-statement.ts';
import { machineColumns, toMachine } from './rows.ts';

type Joined = Answer & { batch?: { id: string; closeAt: Date; opened: boolean } };

/**
 * Puts claimed machines into the open batch of their lane, verb and group. The batch's row is locked first, so that
 * it cannot close around a machine that is just joining. A full batch takes no more; the rest opens the next one.
 */
export function createJoin(database: Database): (act: JoinAct) => Promise<Joined> {
  const collect = createCollector<JoinAct, Joined>({
    ...COLLECTED,
    key: (act) => act.machine,
    run: (acts) => joinAll(database, acts),
  });
  return async (act) => collect(act);
}

async function joinAll(database: Database, acts: readonly JoinAct[]): Promise<Map<string, Joined>> {
  const joined = new Map<string, Joined>();
  for (const group of Map.groupBy(acts, groupKey).values()) {
    for (const chunk of chunks(group)) await joinGroup(database, chunk, joined);
  }
  return joined;
}

function groupKey(act: JoinAct): string {
  return JSON.stringify([act.lane, act.verb, act.group]);
}

/** No more at once than a whole batch takes. */
function* chunks(group: readonly JoinAct[]): Generator<readonly JoinAct[]> {
  const size = group[0]?.size ?? 1;
  for (let from = 0; from < group.length; from += size) yield group.slice(from, from + size);
}

async function joinGroup(
  database: Database,
  acts: readonly JoinAct[],
  joined: Map<string, Joined>,
): Promise<void> {
  await database.transaction(async (sql) => {
    let left = acts;
    // The open batch takes what it has room for; a new one has room for a whole chunk.
    for (let batches = 0; batches < 2 && left.length > 0; batches += 1) {
      const batch = await openBatch(sql, left);
      const taken = left.slice(0, batch.room);
      let { opened } = batch;
      for (const row of await sql.query(JOIN, [JSON.stringify(taken.map(toItem)), batch.id])) {
        const machine = toMachine(row);
        const granted = row['granted'] === true;
        joined.set(
          machine.id,
          granted ? { granted, machine, batch: { ...batch, opened } } : { granted, machine },
        );
        // One of them has the batch's job made: the others would only be told that it is there.
        if (granted) opened = false;
      }
      for (const act of taken)
        if (!joined.has(act.machine)) joined.set(act.machine, { granted: false, machine: undefined });
      left = left.slice(batch.room);
    }
  });
}

function toItem({ machine, token, by, now, verb }: JoinAct) {
  return { machine, token, by, now, verb };
}

interface OpenBatch {
  id: string;
  closeAt: Date;
  opened: boolean;
  room: number;
}

async function openBatch(sql: Sql, acts: readonly JoinAct[]): Promise<OpenBatch> {
  const [first] = acts;
  if (first === undefined) throw new Error('a group to join is never empty');
  const values = [
    randomUUID(),
    first.lane,
    first.verb,
    first.group,
    JSON.stringify(first.placement),
    first.size,
  ];
  const rows = await sql.query(OPEN_BATCH, [...values, first.closeAt, first.now, first.by]);
  const row = rows[0] as Row;
  const room = (row['size'] as number) - (row['count'] as number);
  return {
    id: row['id'] as string,
    closeAt: row['close_at'] as Date,
    opened: row['id'] === values[0],
    room: Math.max(1, room),
  };
}

const OPEN_BATCH = `insert into batch (id, lane, verb, grp, placement, size, state, close_at, opened_at, changed_by, changed_at)
  values ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $8)
  on conflict (lane, verb, grp) where state = 'open' and not filled do update set changed_at = excluded.changed_at
  returning id, close_at, size, count`;

/** A machine joins under its own token, in the state that the verb works on, and never a second batch. */
const JOIN = `with item as materialized (
    select * from jsonb_to_recordset($1::jsonb) as i (machine uuid, token bigint, by text, now timestamptz, verb text)
  ),
  old as materialized (
    select m.*, i.token as want, i.by, i.now, i.verb from item i join machine m on m.id = i.machine
    where m.id = any(array(select machine from item)) order by m.id for update of m
  ),
  upd as (
    update machine m set batch_id = $2, changed_by = o.by, changed_at = o.now from old o
    where m.id = o.id and o.token = o.want and o.batch_id is null and o.owed is not null
      and o.state = case o.verb when 'launch' then 'requested' when 'start' then 'booting' when 'stop' then 'stopping'
        when 'reset' then 'resetting' else 'deleting' end
    returning m.*
  ),
  member as (
    insert into batch_member (batch_id, machine_id, token, instance_id)
      select $2, u.id, u.token, u.instance_id from upd u
  ),
  counted as (
    update batch b set count = b.count + n.joined, filled = b.count + n.joined >= b.size
    from (select count(*)::integer as joined from upd) n where b.id = $2
  ),
  ${STALE}
  select true as granted, ${machineColumns('u')} from upd u
  union all select false, ${machineColumns('o')} from old o where o.id not in (select id from upd)`;
