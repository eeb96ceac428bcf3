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

test('rule 2: a replay carries every member its batch was closed with, also those that have left it since', async () => {
  const { machine } = await fleet.stopping('recycle');
  const { batch } = await fleet.join(machine.id, 'stop');
  const closed = await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  const { deadlineAt } = await fleet.look(machine.id);
  await fleet.store.recover({ ...fleet.act(machine.id, 9999), seenDeadline: deadlineAt ?? fleet.at(0) });
  const again = {
    batch: closed.id,
    by: 'another',
    now: fleet.at(9999),
    until: fleet.at(10_009),
    replaySafe: true,
  };
  expect(await fleet.store.claimBatch(again)).toMatchObject({
    ...{ id: closed.id, verb: 'stop', placement: closed.placement, members: closed.members, pending: [] },
  });
});

test('rule 2: what joins after a batch has closed is sent under a new token', async () => {
  const { machine } = await fleet.stopping('recycle');
  const first = await fleet.join(machine.id, 'stop', { lane: fleet.pool.name });
  await fleet.close(first.batch?.id ?? '');
  const other = await fleet.stopping('recycle');
  const second = await fleet.join(other.machine.id, 'stop', { lane: fleet.pool.name });
  expect(second.batch?.id).not.toBe(first.batch?.id);
});
