import { type IntentKind, OPENS_IN, mayReplace } from '../fleet/lifecycle.ts';
import type { Act, Answer, Machine, MachineActs, OpenIntentAct } from '../fleet/store.ts';
import type { Database, Sql } from './database.ts';
import { ENDING, machineColumns, toMachine } from './rows.ts';

/**
 * Opens an intent or replaces a milder one, on the machine's locked row. An active lease on it goes to ending in the
 * same commit: a machine with an open intent is never somebody's to use.
 */
export function createOpenIntent(database: Database): MachineActs['openIntent'] {
  return (act) => database.transaction((sql) => openIntent(sql, act));
}

export async function openIntent(sql: Sql, act: OpenIntentAct): Promise<Answer<Machine>> {
  const machine = await lockMachine(sql, act.machine);
  if (machine === undefined) return { granted: false, machine };
  if (act.token !== undefined && act.token !== machine.token) return refused(machine);
  if (machine.state === 'requested')
    return act.kind === 'retire' ? cancelRequested(sql, act) : refused(machine);
  if (!opens(machine, act.kind)) return refused(machine);
  if (machine.lease !== null) await sql.query(END_LEASE, [machine.lease, act.outcome, act.reason, act.now]);
  await replaceIntent(sql, { ...act, seen: machine });
  const after = await lockMachine(sql, act.machine);
  return after === undefined ? refused(machine) : { granted: true, machine: after };
}

function refused(machine: Machine): Answer<Machine> {
  return { granted: false, machine };
}

function opens(machine: Machine, kind: IntentKind): boolean {
  if (!OPENS_IN[kind].includes(machine.state)) return false;
  return machine.intentKind === null || mayReplace(machine.intentKind, kind);
}

/**
 * Locks a machine's row, and before it the batch it belongs to while that is open: the same order as closing a batch.
 */
export async function lockMachine(sql: Sql, machine: string): Promise<Machine | undefined> {
  await sql.query(
    `select b.id from batch b join machine m on m.batch_id = b.id where m.id = $1 and b.state = 'open' for update of b`,
    [machine],
  );
  const rows = await sql.query(`select ${machineColumns('m')} from machine m where m.id = $1 for update`, [
    machine,
  ]);
  return rows[0] === undefined ? undefined : toMachine(rows[0]);
}

/** The writes of opening an intent on a row that is locked and was seen to allow it. */
export async function replaceIntent(
  sql: Sql,
  act: { machine: string; kind: IntentKind; reason: string; now: Date; by: string; seen: Machine },
): Promise<void> {
  if (act.seen.intent !== null) {
    await sql.query(
      `update intent set closed_at = $2, closed_why = 'replaced' where id = $1 and closed_why is null`,
      [act.seen.intent, act.now],
    );
  }
  await sql.query(OPEN, [act.machine, act.kind, act.reason, act.now, act.by]);
}

/** What is owed at once is overdue after a minute; a state's own deadline stands where it is nearer. */
const OPEN = `with opened as (
    insert into intent (id, machine_id, kind, reason, opened_at) values (gen_random_uuid(), $1, $2, $3, $4) returning id
  ),
  upd as (
    update machine m set intent_id = o.id, intent_kind = $2, ring = 0, failures = 0, failure = null,
      deadline_at = case when m.state in ('stopping', 'resetting', 'deleting') then m.deadline_at
        else $4::timestamptz + interval '1 minute' end,
      changed_by = $5, changed_at = $4
    from opened o where m.id = $1 returning m.id, m.pool, m.intent_id
  )
  insert into outbox (kind, pool, machine_id, intent_id, due_at) select 'flow', pool, id, intent_id, $4 from upd`;

/**
 * Ends a lease whose machine is taken from it. One that is lost with retries left is succeeded at once: its user need
 * not wait for the end of a machine that is gone. The successor stands for the same request, so it has no key of its
 * own; as a request of now it has its whole waiting time before it.
 */
const END_LEASE = `with ended as (
    update lease set state = 'ending', outcome = $2::text, reason = $3, changed_at = $4,
      deadline_at = $4::timestamptz + ${ENDING},
      retried_by = case when $2::text = 'lost' and retries < max_retries then gen_random_uuid() end
    where id = $1 and state = 'active' returning *
  )
  insert into lease (id, owner, digest, state, pools, priority, wait_timeout_ms, heartbeat_timeout_ms, max_duration_ms,
      max_retries, retries, retry_of, requested_at, deadline_at, changed_at)
    select retried_by, owner, digest, 'pending', pools, priority, wait_timeout_ms, heartbeat_timeout_ms, max_duration_ms,
      max_retries, retries + 1, id, $4, $4::timestamptz + wait_timeout_ms * interval '1 millisecond', $4
    from ended where retried_by is not null`;

/** A wish that no call has been sent for ends at once; its batch, still open, goes on without it. */
export async function cancelRequested(sql: Sql, act: Act): Promise<Answer<Machine>> {
  const rows = await sql.query(CANCEL, [act.machine, act.now, act.by]);
  const [row] = rows;
  if (row !== undefined) return { granted: true, machine: toMachine(row) };
  const machine = await lockMachine(sql, act.machine);
  return { granted: false, machine };
}

const CANCEL = `with old as (
    select m.id, m.batch_id, m.intent_id from machine m where m.id = $1 and m.state = 'requested'
      and not exists (select from batch b where b.id = m.batch_id and b.state <> 'open')
  ),
  upd as (
    update machine m set state = 'deleted', batch_id = null, intent_id = null, intent_kind = null, claimed_until = null,
      token = m.token + 1, state_since = $2, deadline_at = null, changed_by = $3, changed_at = $2
    from old o where m.id = o.id and m.state = 'requested' returning m.*
  ),
  closed as (
    update intent n set closed_at = $2, closed_why = 'done' from old o where n.id = o.intent_id and n.closed_why is null
  ),
  left_batch as (
    delete from batch_member b using old o where b.batch_id = o.batch_id and b.machine_id = o.id
  ),
  counted as (update batch b set count = b.count - 1 from old o where b.id = o.batch_id)
  select ${machineColumns('u')} from upd u`;
