import type { Machine, MachineActs } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import type { Database } from './database.ts';
import {
  ANSWERS,
  CLAIMABLE,
  CLAIMED,
  COLLECTED,
  CONDEMNED,
  DOING,
  ITEM,
  LOCKED,
  STALE,
  collectedAct,
} from './guarded-statement.ts';
import { createJoin } from './join.ts';
import { createOpenIntent } from './open-intent.ts';
import { createRelease } from './release.ts';
import { deadlineSql, machineColumns, toMachine } from './rows.ts';

export function createMachineActs(database: Database, newId: () => string): MachineActs {
  return {
    look: createLook(database),
    claim: collectedAct(database, CLAIM),
    join: createJoin(database, newId),
    finish: collectedAct(database, FINISH),
    release: createRelease(database),
    becomeReady: collectedAct(database, BECOME_READY),
    openIntent: createOpenIntent(database),
  };
}

function createLook(database: Database): (machine: string) => Promise<Machine | undefined> {
  const collect = createCollector<string, Machine | null>({
    ...COLLECTED,
    key: (machine) => machine,
    run: async (machines) => {
      const rows = await database.query(
        `select ${machineColumns('m')} from machine m where m.id = any($1::uuid[])`,
        [machines],
      );
      const found = new Map<string, Machine | null>(machines.map((machine) => [machine, null]));
      for (const row of rows) found.set(row['id'] as string, toMachine(row));
      return found;
    },
  });
  return async (machine) => (await collect(machine)) ?? undefined;
}

/**
 * The claim tests columns of the row it locks and nothing else: `owed` is generated there from state and open intent.
 */
const CLAIM = `with ${ITEM}, ${LOCKED},
  can as materialized (select *, ${DOING} as next from old where ${CLAIMABLE}),
  upd as (update machine m set ${CLAIMED} from can c where m.id = c.id returning m.*),
  ${CONDEMNED}
  ${ANSWERS}`;

/**
 * Ends a step that needed no cloud call. Without a token it is a stop that asks for nothing: claimed and ended in one
 * write, so that whoever had claimed it before is fenced off. A machine given up while its launch is still under way
 * keeps its place until that is over: what the launch may yet make for it counts against the pool's limit.
 * Where the finisher is not the job that the open intent's flow waits for (a ring, or a job of an older intent), that
 * job is woken to find its step done.
 */
const FINISH = `with ${ITEM}, ${LOCKED},
  can as materialized (
    select *, case step when 'stop' then 'stopped' else 'deleted' end as next from old
    where (token = want and batch_id is null
      and ((step = 'stop' and state = 'stopping') or (step = 'delete' and state = 'deleting' and instance_id is null and not exists (
        select from batch_member l join batch b on b.id = l.batch_id
        where l.machine_id = old.id and l.state = 'given-up' and b.verb = 'launch' and b.state <> 'ended'))))
      or (want is null and step = 'stop' and state in ('leased', 'stopping') and intent_kind <> 'park'
        and ${CLAIMABLE})
  ),
  upd as (
    update machine m set state = c.next, token = m.token + case when c.want is null then 1 else 0 end,
      claimed_until = null, claimed_by = null, state_since = c.now,
      deadline_at = ${deadlineSql('c.now', 'c.deadlines', 'c.next')}, failures = 0, failure = null, ring = 0,
      intent_id = case when c.next = 'deleted' then null else m.intent_id end,
      intent_kind = case when c.next = 'deleted' then null else m.intent_kind end,
      changed_by = c.by, changed_at = c.now
    from can c where m.id = c.id returning m.*
  ),
  closed as (
    update intent n set closed_at = c.now, closed_why = 'done'
    from can c where c.next = 'deleted' and n.id = c.intent_id and n.closed_why is null
  ),
  woken as (
    insert into outbox (kind, job, due_at)
      select 'wake', c.step || '.' || c.intent_id || '.0', c.now from can c
      where c.by <> c.step || '.' || c.intent_id || '.0'
  ),
  ${STALE}
  ${ANSWERS}`;

/** Only a machine that nobody has claimed since it was seen, and that waits for no call, becomes ready. */
const BECOME_READY = `with ${ITEM}, ${LOCKED},
  can as materialized (
    select * from old where token = want and state = 'booting' and batch_id is null and clean and not halted
      and intent_kind in ('provision', 'recycle')
  ),
  upd as (
    update machine m set state = 'ready', claimed_until = null, claimed_by = null, state_since = c.now,
      deadline_at = ${deadlineSql('c.now', 'c.deadlines', "'ready'")}, failures = 0, failure = null, ring = 0,
      intent_id = null, intent_kind = null, changed_by = c.by, changed_at = c.now
    from can c where m.id = c.id returning m.*
  ),
  closed as (
    update intent n set closed_at = c.now, closed_why = 'done' from can c
    where n.id = c.intent_id and n.closed_why is null
  ),
  woken as (
    insert into outbox (kind, job, due_at)
      select 'wake', 'provision.' || c.intent_id || '.0', c.now from can c
      where c.by <> 'provision.' || c.intent_id || '.0'
  ),
  ${STALE}
  ${ANSWERS}`;
