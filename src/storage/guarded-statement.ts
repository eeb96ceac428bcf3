import type { MachineState, Step } from '../fleet/lifecycle.ts';
import type { Act, Answer, Changed } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import type { Database, Row } from './database.ts';
import { deadlineSql, MACHINE_COLUMNS, machineColumns, toMachine } from './rows.ts';

/** How much of the work of concurrent jobs goes into one statement. */
export const COLLECTED = { maxItems: 200, inFlight: 1, gatherMs: 8 } as const;

/** One guarded statement for many machines; each gets its own answer. */
export function collectedAct(database: Database, statement: string): (act: Act) => Promise<Answer> {
  return createCollector<Act, Answer>({
    ...COLLECTED,
    key: (act) => act.machine,
    run: async (acts) => toAnswers(acts, await database.query(statement, actValues(acts))),
  });
}

/** The values that `ITEM` reads: acts of one pool share its deadlines, which are long to write and to read. */
export function actValues(acts: readonly Act[]): [items: string, deadlines: string] {
  const deadlines = [...new Set(acts.map((act) => act.deadlines))];
  const items = acts.map((act) => ({ ...act, deadlines: deadlines.indexOf(act.deadlines) }));
  return [JSON.stringify(items), JSON.stringify(deadlines)];
}

/** Rows come as the machine's columns and `granted`; a machine without a row was refused and is unknown. */
export function toAnswers(acts: readonly Act[], rows: readonly Row[]): Map<string, Answer> {
  const answers = new Map<string, Answer>(
    acts.map((act) => [act.machine, { granted: false, machine: undefined }] as const),
  );
  for (const row of rows) {
    const isGranted = row['granted'] === true;
    answers.set(
      row['id'] as string,
      isGranted ? { granted: true, machine: toChanged(row) } : { granted: false, machine: toMachine(row) },
    );
  }
  return answers;
}

/** The acts as rows. */
export const ITEM = `item as materialized (
    select i.machine, i.step, i.by, i.now, i.until, i.token, $2::jsonb -> i.deadlines as deadlines
    from jsonb_to_recordset($1::jsonb) as i (
      machine uuid, step text, by text, now timestamptz, until timestamptz, token bigint, deadlines integer)
  )`;

/**
 * The rows of the acts, locked in one order, so that two statements never wait for each other. Naming their ids as
 * an array has them found by key: for the join alone the planner may read the whole table. For the same reason hot
 * statements never repeat the words of a partial index, such as `closed_at is null`: while statistics take that index
 * for empty, the planner walks all of it for each row.
 */
export const LOCKED = `old as materialized (
    select m.*, i.step, i.by, i.now, i.until, i.token as want, i.deadlines
    from item i join machine m on m.id = i.machine where m.id = any(array(select machine from item))
    order by m.id for update of m
  )`;

/** True for a row of `old` whose step is owed, waits for no batch and is being done by nobody. */
export const CLAIMABLE = `owed = step and batch_id is null and (step <> 'provision' or state <> 'booting' or halted)
      and (state in ('leased', 'ready', 'released', 'parked', 'quarantined') or claimed_until is null or claimed_until <= now)`;

/** The state in which a claimed step is done. */
export const DOING = `case step
        when 'stop' then 'stopping'
        when 'delete' then 'deleting'
        else case state when 'released' then 'resetting'
          when 'parked' then case when clean then 'booting' else 'resetting' end
          else state end
      end`;

/** What a claim writes of a row `m` from the row `c` of what can be claimed. */
export const CLAIMED = `state = c.next, token = m.token + 1, claimed_until = c.until, claimed_by = c.by,
      state_since = case when c.next = m.state then m.state_since else c.now end,
      deadline_at = case when c.next = m.state then m.deadline_at else ${deadlineSql('c.now', 'c.deadlines', 'c.next')} end,
      changed_by = c.by, changed_at = c.now`;

/** Deleting condemns the machine's instance in the same write: nothing else is ever deleted. */
export const CONDEMNED = `condemned as (
    update instance n set condemned_at = u.changed_at, changed_by = u.changed_by, changed_at = u.changed_at
    from upd u where u.state = 'deleting' and n.machine_id = u.id and n.condemned_at is null
  )`;

function toChanged(row: Row): Changed {
  return {
    id: row['id'] as string,
    state: row['state'] as MachineState,
    token: row['token'] as number,
    owed: row['owed'] as Step | null,
    intent: row['intent_id'] as string | null,
    placement: row['placement'] as string,
    instance: row['instance_id'] as string | null,
  };
}

/** What `Changed` tells. */
const TOLD = new Set(['id', 'state', 'token', 'owed', 'intent_id', 'placement', 'instance_id']);
const CHANGED = MACHINE_COLUMNS.replaceAll(/\w+/g, (column) => (TOLD.has(column) ? `u.${column}` : 'null'));

/** A refused act gets the whole row, to say why; of a granted one little is asked, and dates are slow to read. */
export const ANSWERS = `select false as granted, ${machineColumns('o')} from old o where o.id not in (select id from upd)
  union all select true, ${CHANGED} from upd u`;

/** Writes down who came with an old token, and that the statement changed nothing for it. */
export const STALE = `stale as (
    insert into transition (entity, subject, machine_id, to_state, token, by, at, detail)
      select 'stale', o.id::text, o.id, o.state, o.want, o.by, o.now, jsonb_build_object('currentToken', o.token,
        'changedRows', (select count(*) from upd u where u.id = o.id)) from old o where o.want < o.token
  )`;
