import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
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

test('rule 1: a machine whose stop is taken over, at a cloud that may do it twice, is retired', async () => {
  const { machine } = await fleet.stopping('recycle');
  const { batch } = await fleet.join(machine.id, 'stop');
  await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  expect(await takeOver(batch?.id ?? '', false)).toBeDefined();
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'stopping', intentKind: 'retire' });
});

test('rule 1: an open quarantine stays where its stop is taken over', async () => {
  const { machine } = await fleet.stopping('quarantine');
  const { batch } = await fleet.join(machine.id, 'stop');
  await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  await takeOver(batch?.id ?? '', false);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'stopping', intentKind: 'quarantine' });
});

test('rule 1: a call that its cloud recognises is taken over without harm', async () => {
  const { machine } = await fleet.stopping('recycle');
  const { batch } = await fleet.join(machine.id, 'stop');
  await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  await takeOver(batch?.id ?? '', true);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'stopping', intentKind: 'recycle' });
});

test('rule 1: a call known not to have been executed is sent again without harm', async () => {
  const { machine } = await fleet.stopping('recycle');
  const { batch } = await fleet.join(machine.id, 'stop');
  const { id, token } = await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  const refused = { batch: id, token, until: fleet.at(5), failure: 'throttled', now: fleet.at(1) };
  await fleet.store.delayBatch({ ...refused, inDoubt: false });
  await takeOver(id, false);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'stopping', intentKind: 'recycle' });
});

test('rule 1: a machine whose reset fails is retired', async () => {
  const { machine } = await fleet.released('recycle');
  const batch = await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  const instance = machine.instance ?? '';
  const error = new FleetError('no answer came', { code: 'unavailable', remedy: 'give-up' });
  await fleet.record(batch, { outcomes: { [instance]: { state: 'failed', error } } });
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'resetting', intentKind: 'retire' });
});

/** The claim of its sender has run out. */
function takeOver(batch: string, replaySafe: boolean) {
  const act = { batch, by: 'another', now: fleet.at(20), until: fleet.at(30) };
  return fleet.store.claimBatch({ ...act, replaySafe });
}
