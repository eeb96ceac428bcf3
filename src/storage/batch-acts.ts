import type { Batch, BatchAct, BatchActs } from '../fleet/store.ts';
import { type Database, isDuplicate, type Row, type Sql } from './database.ts';
import { createRecordLook, WAKE_LANE } from './record-look.ts';
import { toBatch } from './rows.ts';
import { failMembers, retireMembers } from './settle-members.ts';

export function createBatchActs(database: Database): BatchActs {
  return {
    lookBatch: async (batch) => (await withMembers(database, await database.query(SELECT, [batch])))[0],
    closeBatch: (act) => closeBatch(database, act),
    claimBatch: (act) => claimBatch(database, act),
    claimLane: async (act) => {
      const rows = await database.query(CLAIM_LANE, [act.lane, act.now, act.until, act.by]);
      return withMembers(database, rows);
    },
    recordLook: createRecordLook(database),
    delayBatch: async (act) => {
      const values = [act.batch, act.token, act.until, act.failure, act.now, act.inDoubt];
      return (await database.query(DELAY, values)).length > 0;
    },
    renewBatch: async (act) => (await database.query(RENEW, [act.batch, act.token, act.until])).length > 0,
    failBatch: (act) => database.transaction((sql) => failBatch(sql, act)),
  };
}

const SELECT = `select * from batch where id = $1`;

async function withMembers(sql: Sql, rows: readonly Row[]): Promise<Batch[]> {
  if (rows.length === 0) return [];
  const members = await sql.query(`select * from batch_member where batch_id = any($1::uuid[])`, [
    rows.map((row) => row['id']),
  ]);
  const byBatch = Map.groupBy(members, (member) => member['batch_id']);
  return rows.map((row) => toBatch(row, byBatch.get(row['id']) ?? []));
}

async function closeBatch(database: Database, act: BatchAct): Promise<Batch | undefined> {
  try {
    return await database.transaction(async (sql) => {
      const rows = await sql.query(CLOSE, [act.batch, act.now, act.until, act.by]);
      if (rows.length === 0) return undefined;
      if (rows[0]?.['verb'] === 'launch') await sql.query(START_PROVISIONING, [act.batch, act.now, act.by]);
      return (await withMembers(sql, rows))[0];
    });
  } catch (error) {
    // Another batch took the lane between our look and our write.
    if (isDuplicate(error)) return undefined;
    throw error;
  }
}

/** The freeze's row is locked: one that is set meanwhile is seen, one that is set later waits for this commit. */
const CLOSE = `with mine as materialized (select * from batch where id = $1 and state = 'open' and close_at <= $2 for update),
  freezing as materialized (select frozen_at from frozen where verb = (select verb from mine) for share)
  update batch b set state = 'closed', holds_lane = true, in_doubt = true, token = b.token + 1, claimed_until = $3, closed_at = $2,
    changed_by = $4, changed_at = $2
  from mine where b.id = mine.id
    and not exists (select from batch other where other.lane = mine.lane and other.holds_lane)
    and not exists (select from freezing where frozen_at is not null)
  returning b.*`;

/** What a launch was closed with is being provisioned from the same commit on; its deadline is the pool's. */
const START_PROVISIONING = `update machine m set state = 'provisioning', state_since = $2, changed_by = $3, changed_at = $2,
    deadline_at = $2::timestamptz + (p.spec -> 'deadlines' ->> 'provisioning')::double precision * interval '1 millisecond'
  from batch_member b, pool p
  where b.batch_id = $1 and m.id = b.machine_id and m.batch_id = b.batch_id and m.token = b.token
    and m.state = 'requested' and p.name = m.pool`;

async function claimBatch(
  database: Database,
  act: BatchAct & { replaySafe: boolean },
): Promise<Batch | undefined> {
  return database.transaction(async (sql) => {
    const rows = await sql.query(CLAIM, [act.batch, act.now, act.until, act.by]);
    const [row] = rows;
    if (row === undefined) return undefined;
    // Somebody sent it and never told what came of it: what it did to these machines will not be known for certain.
    if (row['was_in_doubt'] === true && !act.replaySafe) {
      await retireMembers(sql, {
        batch: act.batch,
        now: act.now,
        by: act.by,
        why: 'its call was taken over',
      });
    }
    return (await withMembers(sql, rows))[0];
  });
}

const CLAIM = `with mine as materialized (
    select id, in_doubt from batch where id = $1 and (claimed_until is null or claimed_until <= $2)
      and ((state = 'closed' and close_at <= $2) or (state = 'sent' and look_at <= $2))
    for update
  )
  update batch b set token = b.token + 1, claimed_until = $3, in_doubt = b.state = 'closed', changed_by = $4, changed_at = $2
  from mine where b.id = mine.id returning b.*, mine.in_doubt as was_in_doubt`;

const CLAIM_LANE = `update batch b set token = b.token + 1, claimed_until = $3, changed_by = $4, changed_at = $2
  from (
    select id from batch where lane = $1 and ended_at is null and state = 'sent' and look_at <= $2
      and (claimed_until is null or claimed_until <= $2)
    order by id limit 100 for update skip locked
  ) due
  where b.id = due.id returning b.*`;

const DELAY = `update batch set failures = failures + 1, failure = $4, changed_at = $5, claimed_until = null,
    in_doubt = $6, look_at = case when state = 'sent' then $3::timestamptz end,
    close_at = case when state = 'sent' then close_at else $3::timestamptz end
  where id = $1 and token = $2 and state in ('closed', 'sent') returning id`;

const RENEW = `update batch set claimed_until = $3 where id = $1 and token = $2 and state <> 'ended' returning id`;

async function failBatch(sql: Sql, act: Parameters<BatchActs['failBatch']>[0]): Promise<boolean> {
  const rows = await sql.query(
    `select * from batch where id = $1 and token = $2 and state <> 'ended' for update`,
    [act.batch, act.token],
  );
  const [row] = rows;
  if (row === undefined) return false;
  const [batch] = await withMembers(sql, rows);
  if (batch === undefined) return false;
  const failed = batch.pending.map((machine) => ({ machine, failure: act.failure }));
  await failMembers(sql, { batch, failed, now: act.now, by: act.by });
  await sql.query(END, [act.batch, act.now, act.by, act.failure]);
  await sql.query(WAKE_LANE, [batch.lane, act.now]);
  return true;
}

const END = `update batch set state = 'ended', holds_lane = false, ended_at = $2, claimed_until = null, failure = $4,
    changed_by = $3, changed_at = $2
  where id = $1`;
