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

test('rule 8: a machine parked after a lease is reset before it is ready again', async () => {
  const { machine } = await fleet.stopped('park');
  await fleet.store.release(fleet.act(machine.id));
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'parked', clean: false, intent: null });
  await fleet.open(machine.id, 'provision');
  const claimed = await fleet.claim(machine.id, { step: 'provision' });
  expect(claimed.machine).toMatchObject({ state: 'resetting' });
});

test('rule 8: a machine parked while it was clean is started again without a reset', async () => {
  const ready = await fleet.ready();
  await fleet.open(ready.id, 'park');
  const claimed = await fleet.claim(ready.id, { step: 'stop' });
  await fleet.store.finish({ ...fleet.act(ready.id), step: 'stop', token: claimed.machine?.token ?? -1 });
  await fleet.store.release(fleet.act(ready.id));
  await fleet.open(ready.id, 'provision');
  await fleet.sql(`update machine set halted = true where id = $1`, [ready.id]);
  const started = await fleet.claim(ready.id, { step: 'provision' });
  expect(started.granted).toBe(true);
  expect(await fleet.look(ready.id)).toMatchObject({ state: 'booting', clean: true });
});
