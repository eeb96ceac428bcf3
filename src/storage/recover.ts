import type { IntentKind, MachineState } from '../fleet/lifecycle.ts';
import type { ReconcileActs } from '../fleet/reconcile-acts.ts';
import type { Answer, Machine } from '../fleet/store.ts';
import type { Database, Sql } from './database.ts';
import { cancelRequested, lockMachine, replaceIntent } from './open-intent.ts';
import { ENDING, machineColumns, toMachine } from './rows.ts';

type RecoverAct = Parameters<ReconcileActs['recover']>[0];

/**
 * The named recovery of each state's deadline. Every one of them ends in a write that sets the next deadline, and none
 * of them ever says that something happened in a cloud which nobody has seen there.
 */
export const RECOVERY: Record<
  Exclude<MachineState, 'deleted'>,
  'cancel' | 'retire' | 'proceed' | 'end-lease' | 'ring' | 'again'
> = {
  requested: 'cancel',
  provisioning: 'retire',
  booting: 'retire',
  ready: 'retire',
  leased: 'end-lease',
  stopping: 'proceed',
  stopped: 'ring',
  released: 'ring',
  resetting: 'retire',
  parked: 'retire',
  quarantined: 'retire',
  deleting: 'again',
};

export function createRecover(database: Database): ReconcileActs['recover'] {
  return (act) => database.transaction((sql) => recover(sql, act));
}

async function recover(sql: Sql, act: RecoverAct): Promise<Answer> {
  const machine = await lockMachine(sql, act.machine);
  if (machine === undefined || machine.deadlineAt?.getTime() !== act.seenDeadline.getTime()) {
    return { granted: false, machine };
  }
  if (machine.state === 'requested') return cancelRequested(sql, act);
  if (machine.state === 'deleted') return { granted: false, machine };
  await carryOut(sql, { ...machine, state: machine.state }, act);
  const [row] = await sql.query(`select ${machineColumns('m')} from machine m where m.id = $1`, [
    act.machine,
  ]);
  return row === undefined ? { granted: false, machine } : { granted: true, machine: toMachine(row) };
}

type Recoverable = Machine & { state: keyof typeof RECOVERY };

async function carryOut(sql: Sql, machine: Recoverable, act: RecoverAct): Promise<void> {
  // A lease that is already ending only waits for its stop.
  const recovery = machine.state === 'leased' && machine.intent !== null ? 'ring' : RECOVERY[machine.state];
  if (recovery === 'end-lease') await sql.query(EXPIRE, [machine.lease, act.now]);
  if (recovery !== 'ring' && recovery !== 'again') await harden(sql, machine, act);
  await giveUp(sql, { machine, act, state: recovery === 'proceed' ? 'stopped' : machine.state });
}

/** Past its deadline a machine's intent becomes a retire; an open quarantine of a stop stays, and one kept too long ends. */
async function harden(sql: Sql, machine: Machine, act: RecoverAct): Promise<void> {
  const stays: readonly IntentKind[] =
    machine.state === 'quarantined' ? ['retire'] : ['retire', 'quarantine'];
  if (machine.intentKind !== null && stays.includes(machine.intentKind)) return;
  const reason = `${machine.state} past its deadline`;
  await replaceIntent(sql, {
    machine: machine.id,
    kind: 'retire',
    reason,
    now: act.now,
    by: act.by,
    seen: machine,
  });
}

/**
 * Leaves the batch in the same write: it goes on replaying for its own sake, and what it still makes is its surplus.
 * The token goes up, so that an answer that comes late changes nothing here.
 */
async function giveUp(
  sql: Sql,
  from: { machine: Machine; act: RecoverAct; state: MachineState },
): Promise<void> {
  const { machine, act, state } = from;
  if (machine.batch !== null) {
    await sql.query(
      `update batch_member set state = 'given-up' where batch_id = $1 and machine_id = $2 and state = 'pending'`,
      [machine.batch, machine.id],
    );
  }
  const values = [machine.id, state, act.now, act.by, act.deadlines[state] ?? null];
  await sql.query(GIVE_UP, values);
}

/**
 * The next deadline: a minute for what is owed at once, growing up to an hour while the same thing keeps failing. What
 * is set aside stays so until its pause is over.
 */
const GIVE_UP = `update machine m set state = $2::text, batch_id = null, token = m.token + 1, claimed_by = null,
    claimed_until = case when m.refusals > 0 and m.batch_id is null then m.claimed_until end,
    state_since = case when m.state = $2::text then m.state_since else $3::timestamptz end,
    failures = m.failures + 1,
    deadline_at = $3::timestamptz + least(3600, 60 * 2 ^ least(m.failures, 6)) * interval '1 second'
      + case when m.state = 'deleting' then coalesce($5::double precision, 0) else 0 end * interval '1 millisecond',
    changed_by = $4, changed_at = $3
  where m.id = $1`;

const EXPIRE = `update lease set state = 'ending', outcome = 'expired', reason = 'max-duration', changed_at = $2,
    deadline_at = $2::timestamptz + ${ENDING}
  where id = $1 and state = 'active'`;
