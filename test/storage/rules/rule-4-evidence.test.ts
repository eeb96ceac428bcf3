import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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

test('rule 4: a listing that shows a machine running does not end its reset', async () => {
  const { machine } = await fleet.released('recycle');
  await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  const before = await fleet.look(machine.id);
  const [placement = { pool: '', name: '', provider: '', spec: null }] = fleet.pool.placements;
  const items = [
    { instance: machine.instance ?? '', state: 'running', address: '10.0.0.1', batch: null } as const,
  ];
  const listing = {
    placement,
    ...{ items, leftOvers: [] },
    listedAt: fleet.at(1),
    now: fleet.at(2),
    graceMs: 0,
    staleAfterMs: 600_000,
    by: 'a test',
  };
  await fleet.store.sweep(listing);
  expect(await fleet.look(machine.id)).toEqual(before);
});

test('rule 4: a look at a reset that says nothing of a machine leaves it resetting', async () => {
  const { machine } = await fleet.released('recycle');
  const batch = await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  const launched = [{ instance: machine.instance ?? '', state: 'running', address: '10.0.0.1' } as const];
  expect(await fleet.record(batch, { launched, settled: true })).toBe(true);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'resetting', clean: false, batch: batch.id });
});
