import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Machine } from '../../../src/fleet/store.ts';
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

test('rule 13: a wish past its deadline ends', async () => {
  const { id } = await fleet.requested();
  expect(await recovered(id)).toMatchObject({ state: 'deleted', deadlineAt: null });
});

test.each([
  ['provisioning', launching],
  ['booting', () => fleet.booting()],
  ['ready', () => fleet.ready()],
  ['resetting', resetting],
  ['parked', parked],
  ['quarantined', quarantined],
])('rule 13: a machine too long %s is retired', async (state, build) => {
  const { id } = await build();
  const after = await recovered(id);
  expect(after).toMatchObject({ state, intentKind: 'retire', owed: 'delete' });
  expectNextDeadline(after);
});

test('rule 13: a machine leased for too long has its lease ended, and is retired', async () => {
  const { machine, lease } = await fleet.leased();
  const after = await recovered(machine.id);
  expect(after).toMatchObject({ state: 'leased', intentKind: 'retire', owed: 'stop' });
  expect(await fleet.store.readLease(lease.id)).toMatchObject({ state: 'ending', outcome: 'expired' });
  expectNextDeadline(after);
});

test('rule 13: a machine too long stopping goes on to its release, and is retired', async () => {
  const { machine } = await fleet.stopping('recycle');
  await fleet.join(machine.id, 'stop');
  const after = await recovered(machine.id);
  expect(after).toMatchObject({ state: 'stopped', intentKind: 'retire', owed: 'release', batch: null });
  expectNextDeadline(after);
});

test('rule 13: a machine too long stopping for a quarantine goes on to its release, and stays quarantined', async () => {
  const { machine } = await fleet.stopping('quarantine');
  expect(await recovered(machine.id)).toMatchObject({ state: 'stopped', intentKind: 'quarantine' });
});

test.each(['stopped', 'released'] as const)(
  'rule 13: a machine too long %s still owes its step, and has a next deadline',
  async (state) => {
    const { machine } = await (state === 'stopped' ? fleet.stopped('retire') : fleet.released('retire'));
    const after = await recovered(machine.id);
    expect(after).toMatchObject({ state, intentKind: 'retire', owed: machine.owed });
    expectNextDeadline(after);
  },
);

test('rule 13: a machine too long deleting leaves its batch and is deleted again', async () => {
  const { machine } = await fleet.released('retire');
  await fleet.sent(machine.id, { step: 'delete' }, 'delete');
  const after = await recovered(machine.id);
  expect(after).toMatchObject({ state: 'deleting', owed: 'delete', batch: null, claimedUntil: null });
  expectNextDeadline(after);
});

test('rule 13: a recovery that comes after somebody else moved the machine on changes nothing', async () => {
  const { machine } = await fleet.stopping('recycle');
  const seenDeadline = machine.deadlineAt ?? fleet.at(0);
  await fleet.store.finish({ ...fleet.act(machine.id), step: 'stop', token: machine.token });
  const before = await fleet.look(machine.id);
  const late = { ...fleet.act(machine.id, LATE), seenDeadline };
  expect(await fleet.store.recover(late)).toMatchObject({ granted: false });
  expect(await fleet.look(machine.id)).toEqual(before);
});

test('rule 13: a request that waits too long fails for want of capacity', async () => {
  const { id } = await fleet.requestLease();
  await fleet.store.expireLeases({ now: fleet.at(LATE), by: 'a test', limit: 1000 });
  expect(await fleet.store.readLease(id)).toMatchObject({ state: 'failed', reason: 'no-capacity' });
});

test('rule 13: a lease whose holder has fallen silent expires, and its machine is stopped', async () => {
  const { machine, lease } = await fleet.leased();
  await fleet.store.expireLeases({ now: fleet.at(121), by: 'a test', limit: 1000 });
  expect(await fleet.store.readLease(lease.id)).toMatchObject({ state: 'ending', reason: 'heartbeat' });
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'leased', owed: 'stop' });
});

const LATE = 1_000_000;

/** What reconcile makes of a machine long after its deadline. */
async function recovered(machine: string): Promise<Machine> {
  const overdue = await fleet.store.overdueMachines({ now: fleet.at(LATE), limit: 1000 });
  const seen = overdue.find((each) => each.id === machine);
  expect(seen?.deadlineAt).toBeInstanceOf(Date);
  const seenDeadline = seen?.deadlineAt ?? fleet.at(0);
  const answer = await fleet.store.recover({ ...fleet.act(machine, LATE), seenDeadline });
  expect(answer.granted).toBe(true);
  return fleet.look(machine);
}

function expectNextDeadline(machine: Machine): void {
  expect(machine.deadlineAt?.getTime()).toBeGreaterThan(fleet.at(LATE).getTime());
}

async function launching(): Promise<Machine> {
  const { id } = await fleet.requested();
  await fleet.sent(id, { step: 'provision' }, 'launch');
  return fleet.look(id);
}

async function resetting(): Promise<Machine> {
  const { machine } = await fleet.released('recycle');
  await fleet.sent(machine.id, { step: 'provision' }, 'reset');
  return fleet.look(machine.id);
}

async function parked(): Promise<Machine> {
  const { machine } = await fleet.stopped('park');
  await fleet.store.release(fleet.act(machine.id));
  return fleet.look(machine.id);
}

async function quarantined(): Promise<Machine> {
  const { machine } = await fleet.stopped('quarantine');
  await fleet.store.release(fleet.act(machine.id));
  return fleet.look(machine.id);
}
