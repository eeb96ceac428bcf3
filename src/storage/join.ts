import { type Verb, WORKED_ON } from '../fleet/provider.ts';
import type { JoinAct, JoinAnswer } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import type { Database, Row, Sql } from './database.ts';
import {
  ANSWERS,
  CLAIMABLE,
  CLAIMED,
  COLLECTED,
  CONDEMNED,
  DOING,
  ITEM,
  LOCKED,
  actValues,
  toAnswers,
} from './guarded-statement.ts';

/**
 * Claims machines into the open batch of their lane, verb and group. The batch's row is locked first, so that
 * it cannot close around a machine that is just joining. A full batch takes no more; the rest opens the next one.
 */
export function createJoin(database: Database, newId: () => string): (act: JoinAct) => Promise<JoinAnswer> {
  const collect = createCollector<JoinAct, JoinAnswer>({
    ...COLLECTED,
    key: (act) => act.machine,
    run: (acts) => joinAll({ database, newId }, acts),
  });
  return async (act) => collect(act);
}

interface Joining {
  database: Database;
  newId(): string;
}

async function joinAll(joining: Joining, acts: readonly JoinAct[]): Promise<Map<string, JoinAnswer>> {
  const joined = new Map<string, JoinAnswer>();
  for (const group of Map.groupBy(acts, groupKey).values()) {
    for (const chunk of chunks(group)) await joinGroup(joining, chunk, joined);
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
  { database, newId }: Joining,
  acts: readonly JoinAct[],
  joined: Map<string, JoinAnswer>,
): Promise<void> {
  await database.transaction(async (sql) => {
    let left = acts;
    // The open batch takes what it has room for; a new one has room for a whole chunk.
    for (let batches = 0; batches < 2 && left.length > 0; batches += 1) {
      const batch = await openBatch(sql, newId(), left);
      const taken = left.slice(0, batch.room);
      let { opened } = batch;
      const rows = await sql.query(JOIN, [...actValues(taken.map(toItem)), batch.id, WORKED_ON[batch.verb]]);
      for (const [machine, answer] of toAnswers(taken, rows)) {
        joined.set(machine, answer.granted ? { ...answer, batch: { ...batch, opened } } : answer);
        // One of them has the batch's job made: the others would only be told that it is there.
        if (answer.granted) opened = false;
      }
      left = left.slice(batch.room);
    }
  });
}

function toItem({ machine, step, by, now, until, deadlines }: JoinAct) {
  return { machine, step, by, now, until, deadlines };
}

interface OpenBatch {
  id: string;
  verb: Verb;
  closeAt: Date;
  opened: boolean;
  room: number;
}

async function openBatch(sql: Sql, id: string, acts: readonly JoinAct[]): Promise<OpenBatch> {
  const [first] = acts;
  if (first === undefined) throw new Error('a group to join is never empty');
  const values = [id, first.lane, first.verb, first.group, JSON.stringify(first.placement), first.size];
  const rows = await sql.query(OPEN_BATCH, [...values, first.closeAt, first.now, first.by]);
  const row = rows[0] as Row;
  const room = (row['size'] as number) - (row['count'] as number);
  return {
    id: row['id'] as string,
    verb: first.verb,
    closeAt: row['close_at'] as Date,
    opened: row['id'] === id,
    room: Math.max(1, room),
  };
}

const OPEN_BATCH = `insert into batch (id, lane, verb, grp, placement, size, state, close_at, opened_at, changed_by, changed_at)
  values ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $8)
  on conflict (lane, verb, grp) where state = 'open' and not filled do update set changed_at = excluded.changed_at
  returning id, close_at, size, count`;

/**
 * A machine is claimed and joins in one write, for the verb that its step asks for, and never a second batch. One that
 * was given up while its batch was open, which a freeze may keep it for long, joins it once more.
 */
const JOIN = `with ${ITEM}, ${LOCKED},
  can as materialized (
    select * from (select *, ${DOING} as next from old where ${CLAIMABLE}) mine where next = $4
  ),
  upd as (update machine m set batch_id = $3, ${CLAIMED} from can c where m.id = c.id returning m.*),
  ${CONDEMNED},
  member as (
    insert into batch_member (batch_id, machine_id, token, instance_id)
      select $3, u.id, u.token, u.instance_id from upd u
    on conflict (batch_id, machine_id)
      do update set token = excluded.token, instance_id = excluded.instance_id, state = 'pending', failure = null
  ),
  counted as (
    update batch b set count = b.count + n.joined, filled = b.count + n.joined >= b.size
    from (select count(*)::integer as joined from upd) n where b.id = $3
  )
  ${ANSWERS}`;
