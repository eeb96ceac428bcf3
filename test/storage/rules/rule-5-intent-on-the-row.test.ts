import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase } from '../../../src/storage/database.ts';
import { openRuleDatabase, type RuleDatabase, type RuleFleet } from './rule-fleet.ts';

let database: RuleDatabase;
let fleet: RuleFleet;
beforeAll(async () => {
  database = await openRuleDatabase();
});
beforeEach(async () => {
  fleet = await database.addPool();
});
afterAll(() => database.shut());

test.each(['park', 'quarantine', 'retire'] as const)(
  'rule 5: a ready machine with an open %s is leased to nobody',
  async (kind) => {
    const machine = await fleet.ready();
    await fleet.open(machine.id, kind);
    await fleet.requestLease();
    expect(await fleet.match()).toEqual([]);
    expect(await fleet.look(machine.id)).toMatchObject({ state: 'ready', lease: null });
  },
);

test('rule 5: a match that meets an intent being opened leaves that machine alone', async () => {
  const machine = await fleet.ready();
  await fleet.requestLease();
  const opening = createDatabase({ url: fleet.url, connections: 1, statementTimeoutMs: 20_000 });
  await opening.transaction(async (sql) => {
    await sql.query(`update machine set intent_kind = 'park', intent_id = gen_random_uuid() where id = $1`, [
      machine.id,
    ]);
    expect(await fleet.match()).toEqual([]);
  });
  await opening.close();
  expect(await fleet.match()).toEqual([]);
});

test('rule 5: an intent that was opened stands on its machine in the same commit', async () => {
  const machine = await fleet.ready();
  await fleet.open(machine.id, 'park');
  const [row] = await fleet.sql(
    `select i.kind, m.intent_kind from intent i join machine m on m.intent_id = i.id where m.id = $1 and i.closed_at is null`,
    [machine.id],
  );
  expect(row).toEqual({ kind: 'park', intent_kind: 'park' });
});
