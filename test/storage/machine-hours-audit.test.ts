import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRuleDatabase, type RuleDatabase, type RuleFleet } from './rules/rule-fleet.ts';

let database: RuleDatabase;
let fleet: RuleFleet;
beforeAll(async () => {
  database = await openRuleDatabase();
  fleet = await database.addPool({ maxMachineHoursPerDay: 1 });
});
afterAll(() => database.shut());

test('the audit tells when a daily limit was reached, and when it was no longer, each once', async () => {
  await fleet.ready();
  const rounds = [3599, 3600, 3605, 86_400, 86_405];
  for (const second of rounds) await fleet.store.noteMachineHours({ now: fleet.at(second), by: 'reconcile' });
  const audited = await fleet.sql(`select what, by, at, subject, detail from audit order by id`);
  const pool = fleet.pool.name;
  expect(audited).toEqual([
    {
      ...{ what: 'machine-hours-reached', by: 'reconcile', at: fleet.at(3600), subject: pool },
      detail: { pool, used: 1, maxPerDay: 1 },
    },
    {
      ...{ what: 'machine-hours-free', by: 'reconcile', at: fleet.at(86_400), subject: pool },
      detail: { pool, used: 0, maxPerDay: 1 },
    },
  ]);
});
