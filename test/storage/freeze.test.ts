import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Client } from 'pg';
import { openRuleDatabase, type RuleDatabase, type RuleFleet } from './rules/rule-fleet.ts';

let database: RuleDatabase;
let fleet: RuleFleet;
beforeAll(async () => {
  database = await openRuleDatabase();
  fleet = await database.addPool();
});
afterAll(() => database.shut());

const WAITING = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

test('a batch that closes while a freeze is being set waits for it, and does not close', async () => {
  const { id } = await fleet.requested();
  await fleet.claim(id, { step: 'provision' });
  const { batch } = await fleet.join(id, 'launch');
  const act = { batch: batch?.id ?? '', by: 'a test', now: fleet.at(0), until: fleet.at(10) };
  const operator = new Client({ connectionString: fleet.url });
  await operator.connect();
  await operator.query('begin');
  await operator.query(`update frozen set frozen_at = now(), frozen_by = 'ada' where verb = 'launch'`);
  const closing = fleet.store.closeBatch(act);
  await vi.waitFor(async () => expect(await fleet.sql(WAITING)).toHaveLength(1), { timeout: 10_000 });
  await operator.query('commit');
  await operator.end();
  expect(await closing).toBeUndefined();
  expect(
    await fleet.store.setFreeze({ verbs: ['launch'], frozen: false, by: 'ada', now: fleet.at(1) }),
  ).toEqual([]);
  expect(await fleet.store.closeBatch(act)).toMatchObject({ state: 'closed' });
  const audited = await fleet.sql(`select what, by from audit where subject = 'launch'`);
  expect(audited).toEqual([{ what: 'unfreeze', by: 'ada' }]);
});
