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

const KINDS = ['recycle', 'park', 'quarantine', 'retire'] as const;
const milder = KINDS.flatMap((kind, index) =>
  KINDS.slice(0, index + 1).map((other) => [other, kind] as const),
);

test.each(milder)('rule 7: a %s does not replace an open %s', async (other, kind) => {
  const { machine } = await fleet.ending(kind);
  await expect(fleet.open(machine.id, other)).resolves.toMatchObject({ granted: false });
  expect(await fleet.look(machine.id)).toEqual(machine);
});

test('rule 7: an open provision becomes a retire and nothing else', async () => {
  const machine = await fleet.booting();
  for (const kind of ['recycle', 'park', 'quarantine'] as const) {
    await expect(fleet.open(machine.id, kind)).resolves.toMatchObject({ granted: false });
  }
  await expect(fleet.open(machine.id, 'retire')).resolves.toMatchObject({ granted: true });
  expect(await fleet.look(machine.id)).toMatchObject({ intentKind: 'retire' });
});

test('rule 7: a harsher intent during the stop leaves its token alone, and the release follows it', async () => {
  const { machine } = await fleet.stopping('recycle');
  await fleet.open(machine.id, 'quarantine');
  expect(await fleet.look(machine.id)).toMatchObject({ token: machine.token });
  const stopped = fleet.store.finish({ ...fleet.act(machine.id), step: 'stop', token: machine.token });
  await expect(stopped).resolves.toMatchObject({ granted: true });
  await fleet.store.release(fleet.act(machine.id));
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'quarantined', intentKind: 'quarantine' });
});

test('rule 7: a machine is clean no longer once it was leased', async () => {
  const { machine } = await fleet.leased();
  expect(machine.clean).toBe(false);
});

test('rule 7: a machine that is not clean does not become ready', async () => {
  const machine = await fleet.booting();
  await fleet.sql(`update machine set clean = false where id = $1`, [machine.id]);
  const attempt = fleet.store.becomeReady({ ...fleet.act(machine.id), token: machine.token });
  await expect(attempt).resolves.toMatchObject({ granted: false, machine: { state: 'booting' } });
});

test('rule 7: a machine does not become ready under a token it was seen with before', async () => {
  const machine = await fleet.booting();
  await fleet.sql(`update machine set token = token + 1 where id = $1`, [machine.id]);
  const attempt = fleet.store.becomeReady({ ...fleet.act(machine.id), token: machine.token });
  await expect(attempt).resolves.toMatchObject({ granted: false, machine: { state: 'booting' } });
});

test('rule 7: a machine that is to be retired does not become ready', async () => {
  const machine = await fleet.booting();
  await fleet.open(machine.id, 'retire');
  const attempt = fleet.store.becomeReady({ ...fleet.act(machine.id), token: machine.token });
  await expect(attempt).resolves.toMatchObject({ granted: false, machine: { state: 'booting' } });
});
