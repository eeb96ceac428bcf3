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

test('rule 3: a machine joins a batch only of the verb that its step asks for', async () => {
  const { machine } = await fleet.released('recycle');
  expect(await fleet.join(machine.id, 'start')).toEqual({ granted: false, machine });
  expect(await fleet.join(machine.id, 'reset')).toMatchObject({ granted: true });
});

test('rule 3: a machine that is in a batch joins no other', async () => {
  const { machine } = await fleet.stopping('recycle');
  const first = await fleet.join(machine.id, 'stop');
  const second = await fleet.join(machine.id, 'stop');
  expect(second.granted).toBe(false);
  expect(await fleet.look(machine.id)).toMatchObject({ batch: first.batch?.id });
});

test('rule 3: a machine that is in a batch is claimed by nobody, however long that takes', async () => {
  const { machine } = await fleet.stopping('recycle');
  await fleet.join(machine.id, 'stop');
  expect(await fleet.claim(machine.id, { step: 'stop', at: 1000 })).toMatchObject({ granted: false });
});

test("rule 3: a member's outcome under an older token changes nothing", async () => {
  const { machine } = await fleet.released('recycle');
  const batch = await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  // Whoever has claimed it since goes on from what stands there now.
  await fleet.sql(`update machine set token = token + 1 where id = $1`, [machine.id]);
  const before = await fleet.look(machine.id);
  await fleet.record(batch, { outcomes: { [machine.instance ?? '']: { state: 'done' } } });
  expect(await fleet.look(machine.id)).toEqual(before);
});

test("rule 3: a member's failure under an older token changes nothing", async () => {
  const { machine } = await fleet.released('retire');
  const batch = await fleet.sent(machine.id, { step: 'delete' }, 'delete');
  await fleet.sql(`update machine set token = token + 1 where id = $1`, [machine.id]);
  const before = await fleet.look(machine.id);
  const act = { batch: batch.id, token: batch.token, failure: 'refused', by: 'a test', now: fleet.at(1) };
  await fleet.store.failBatch({ ...act, pools: [fleet.pool] });
  expect(await fleet.look(machine.id)).toEqual(before);
});

test('rule 3: a look under a token that its batch no longer has records nothing', async () => {
  const { machine } = await fleet.stopping('recycle');
  const { batch } = await fleet.join(machine.id, 'stop');
  const mine = await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  const act = { batch: mine.id, by: 'another', now: fleet.at(20), until: fleet.at(30), replaySafe: true };
  expect(await fleet.store.claimBatch(act)).toMatchObject({ token: mine.token + 1 });
  const outcomes = { [machine.instance ?? '']: { state: 'done' } } as const;
  expect(await fleet.record(mine, { outcomes })).toBe(false);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'stopping', batch: mine.id });
});

test('rule 3: a member given up at its deadline leaves its batch and becomes a retire in one write', async () => {
  const { machine } = await fleet.released('recycle');
  const batch = await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  const { deadlineAt, token } = await fleet.look(machine.id);
  const seenDeadline = deadlineAt ?? fleet.at(0);
  const recovered = await fleet.store.recover({ ...fleet.act(machine.id, 9999), seenDeadline });
  expect(recovered.machine).toMatchObject({ batch: null, intentKind: 'retire', token: token + 1 });
  expect(await fleet.store.lookBatch(batch.id)).toMatchObject({
    pending: [],
    members: [{ machine: machine.id }],
  });
});
