import type { Act, Answer, Machine } from '../fleet/store.ts';
import { createCollector } from './collector.ts';
import type { Database, Sql } from './database.ts';
import { actValues, ANSWERS, COLLECTED, ITEM, LOCKED, toAnswers } from './guarded-statement.ts';
import { deadlineSql } from './rows.ts';

/**
 * The release transaction: the lease ends with the outcome it shows, the machine is released, and where its intent
 * is to park or quarantine it goes on there in the same commit.
 */
export function createRelease(database: Database): (act: Act) => Promise<Answer> {
  const onward = createCollector<Act, Answer>({
    ...COLLECTED,
    key: (act) => act.machine,
    run: async (acts) => toAnswers(acts, await release(database, acts, ['recycle', 'retire'])),
  });
  return async (act) => {
    const answer = await onward(act);
    return answer.granted || !isSetAside(answer.machine) ? answer : releaseAside(database, act);
  };
}

function isSetAside(machine: Machine | undefined): boolean {
  const { state, intentKind } = machine ?? {};
  return state === 'stopped' && (intentKind === 'park' || intentKind === 'quarantine');
}

async function releaseAside(database: Database, act: Act): Promise<Answer> {
  return database.transaction(async (sql) => {
    const answers = toAnswers([act], await release(sql, [act], ['park', 'quarantine']));
    const released = answers.get(act.machine) ?? { granted: false, machine: undefined };
    if (!released.granted) return released;
    return toAnswers([act], await sql.query(SET_ASIDE, actValues([act]))).get(act.machine) ?? released;
  });
}

function release(sql: Sql, acts: readonly Act[], kinds: readonly string[]): ReturnType<Sql['query']> {
  return sql.query(RELEASE, [...actValues(acts), kinds]);
}

const RELEASE = `with ${ITEM}, ${LOCKED},
  can as materialized (select * from old where state = 'stopped' and intent_kind = any($3::text[])),
  ended as (
    update lease l set state = l.outcome, ended_at = c.now, deadline_at = null, changed_at = c.now
    from can c where l.id = c.lease_id and l.state = 'ending'
  ),
  upd as (
    update machine m set state = 'released', lease_id = null, claimed_until = null, claimed_by = null,
      state_since = c.now, deadline_at = ${deadlineSql('c.now', 'c.deadlines', "'released'")},
      failures = 0, failure = null, ring = 0, changed_by = c.by, changed_at = c.now
    from can c where m.id = c.id returning m.*
  ),
  woken as (
    insert into outbox (kind, job, due_at)
      select 'wake', 'release.' || c.intent_id || '.0', c.now from can c
      where c.by <> 'release.' || c.intent_id || '.0'
  )
  ${ANSWERS}`;

/** A park is done where the machine is parked; a quarantine stays open until it becomes a retire. */
const SET_ASIDE = `with ${ITEM}, ${LOCKED},
  can as materialized (
    select *, case intent_kind when 'park' then 'parked' else 'quarantined' end as next from old
    where state = 'released' and intent_kind in ('park', 'quarantine')
  ),
  upd as (
    update machine m set state = c.next, state_since = c.now,
      deadline_at = ${deadlineSql('c.now', 'c.deadlines', 'c.next')},
      intent_id = case when c.next = 'parked' then null else m.intent_id end,
      intent_kind = case when c.next = 'parked' then null else m.intent_kind end,
      changed_by = c.by, changed_at = c.now
    from can c where m.id = c.id returning m.*
  ),
  closed as (
    update intent n set closed_at = c.now, closed_why = 'done'
    from can c where c.next = 'parked' and n.id = c.intent_id and n.closed_why is null
  )
  ${ANSWERS}`;
