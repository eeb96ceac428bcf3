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

test('rule 11: the members of a batch are provisioning from the commit that closes it', async () => {
  const { id } = await fleet.requested();
  await fleet.claim(id, { step: 'provision' });
  const { batch } = await fleet.join(id, 'launch');
  expect(await fleet.look(id)).toMatchObject({ state: 'requested', batch: batch?.id });
  await fleet.close(batch?.id ?? '');
  expect(await fleet.look(id)).toMatchObject({ state: 'provisioning', batch: batch?.id });
});

test('rule 11: a wish is taken back while its batch is open, and the call goes out without it', async () => {
  const { id } = await fleet.requested();
  await fleet.claim(id, { step: 'provision' });
  const { batch } = await fleet.join(id, 'launch');
  await expect(fleet.open(id, 'retire')).resolves.toMatchObject({
    granted: true,
    machine: { state: 'deleted' },
  });
  expect(await fleet.close(batch?.id ?? '')).toMatchObject({ members: [], pending: [] });
});

test('rule 11: a wish is not taken back once its batch has closed', async () => {
  const { id } = await fleet.requested();
  await fleet.claim(id, { step: 'provision' });
  const { batch } = await fleet.join(id, 'launch');
  const { members } = await fleet.close(batch?.id ?? '');
  expect(members).toEqual([{ machine: id, instance: null }]);
  await fleet.open(id, 'retire');
  expect((await fleet.look(id)).state).not.toBe('deleted');
});

test('rule 11: a batch that has closed takes no more members', async () => {
  const [first, second] = [await fleet.requested(), await fleet.requested()];
  for (const { id } of [first, second]) await fleet.claim(id, { step: 'provision' });
  const { batch } = await fleet.join(first.id, 'launch', { lane: fleet.pool.name });
  await fleet.close(batch?.id ?? '');
  const late = await fleet.join(second.id, 'launch', { lane: fleet.pool.name });
  expect(late.batch?.id).not.toBe(batch?.id);
});

test('rule 11: a lane that is busy with one batch closes no other', async () => {
  const [first, second] = [await fleet.requested(), await fleet.requested()];
  for (const { id } of [first, second]) await fleet.claim(id, { step: 'provision' });
  const one = await fleet.join(first.id, 'launch', { lane: fleet.pool.name });
  await fleet.close(one.batch?.id ?? '');
  const two = await fleet.join(second.id, 'launch', { lane: fleet.pool.name });
  const act = { batch: two.batch?.id ?? '', by: 'a test', now: fleet.at(0), until: fleet.at(10) };
  await expect(fleet.store.closeBatch(act)).resolves.toBeUndefined();
  expect(await fleet.look(second.id)).toMatchObject({ state: 'requested' });
});
