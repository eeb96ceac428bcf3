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

test('rule 6: a machine somebody holds is claimed for no deletion', async () => {
  const { machine } = await fleet.ending('retire');
  await expect(fleet.claim(machine.id, { step: 'delete' })).resolves.toEqual({ granted: false, machine });
});

test('rule 6: a stopped machine is claimed for no deletion before its release', async () => {
  const { machine } = await fleet.stopped('retire');
  await expect(fleet.claim(machine.id, { step: 'delete' })).resolves.toEqual({ granted: false, machine });
});

test('rule 6: a machine is claimed for no deletion without an intent to retire it', async () => {
  const { machine } = await fleet.released('recycle');
  await expect(fleet.claim(machine.id, { step: 'delete' })).resolves.toEqual({ granted: false, machine });
});

test('rule 6: a machine without an open intent is claimed for no stop', async () => {
  const machine = await fleet.ready();
  await expect(fleet.claim(machine.id, { step: 'stop' })).resolves.toEqual({ granted: false, machine });
});

test.each(['leased', 'stopping'] as const)('rule 6: a machine that is %s is not released', async (state) => {
  const { machine } = await (state === 'leased' ? fleet.ending('retire') : fleet.stopping('retire'));
  await expect(fleet.store.release(fleet.act(machine.id))).resolves.toEqual({ granted: false, machine });
});

test('rule 6: a machine makes no move that the lifecycle does not have, whoever writes it', async () => {
  const { machine } = await fleet.released('recycle');
  for (const state of ['requested', 'ready', 'stopped', 'deleted']) {
    const write = fleet.sql(`update machine set state = $2, clean = true where id = $1`, [machine.id, state]);
    await expect(write).rejects.toMatchObject({ code: 'refused', vendorCode: '23514' });
  }
});

test('rule 6: a release ends the lease and frees the machine in one commit', async () => {
  const { machine, lease } = await fleet.stopped('retire');
  await fleet.store.release(fleet.act(machine.id));
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'released', lease: null, owed: 'delete' });
  expect(await fleet.store.readLease(lease.id)).toMatchObject({ state: 'completed' });
  const committed = await fleet.sql(
    `select distinct xmin::text from transition where to_state in ('released', 'completed') and subject in ($1, $2)`,
    [machine.id, lease.id],
  );
  expect(committed).toHaveLength(1);
});
