import { afterAll, beforeAll, expect, test } from 'vitest';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

let fleet: RawFleet;
let storage: Storage;
beforeAll(async () => {
  fleet = await openRawFleet();
  storage = await createStorage({ url: fleet.url });
});
afterAll(async () => {
  await storage.close();
  await fleet.close();
});

const old = new Date('2029-01-01T00:00:00Z');
const recent = new Date('2030-01-01T00:00:00Z');
const before = new Date('2029-06-01T00:00:00Z');

async function purge(limit = 1000): Promise<number> {
  return storage.store.purge({ before, now: recent, limit });
}

async function isThere(table: string, id: string): Promise<boolean> {
  return (await fleet.run(`select id from ${table} where id::text = $1`, [id])).length > 0;
}

async function ended(state: string, at: Date): Promise<string> {
  return fleet.lease({ state, outcome: state, ended_at: at });
}

test('what ended long ago goes, and what ended lately stays', async () => {
  const gone = { gone: 'listed-gone', gone_at: old };
  const pairs: Record<string, readonly [string, string]> = {
    machine: [
      await fleet.machine({ state: 'deleted', state_since: old }),
      await fleet.machine({ state: 'deleted', state_since: recent }),
    ],
    lease: [await ended('completed', old), await ended('completed', recent)],
    batch: [
      await fleet.batch({ state: 'ended', ended_at: old }),
      await fleet.batch({ state: 'ended', ended_at: recent }),
    ],
    instance: [await fleet.instance(gone), await fleet.instance({ ...gone, gone_at: recent })],
  };
  expect(await purge()).toBeGreaterThanOrEqual(4);
  for (const [table, [first, second]] of Object.entries(pairs)) {
    expect([table, await isThere(table, first), await isThere(table, second)]).toEqual([table, false, true]);
  }
});

test('closed intents go although their machine lives on, and an open one stays', async () => {
  const machine_id = await fleet.machine();
  const closed = { machine_id, kind: 'recycle', opened_at: old, closed_at: old, closed_why: 'done' };
  const first = await fleet.intent(closed);
  const open = await fleet.intent({ machine_id, kind: 'park', opened_at: old });
  await purge();
  expect([await isThere('intent', first), await isThere('intent', open)]).toEqual([false, true]);
  expect(await isThere('machine', machine_id)).toBe(true);
});

test('nothing goes that still may matter, however old it is', async () => {
  const machine = await fleet.machine({ state: 'deleted', state_since: old });
  const still = await fleet.instance({ machine_id: machine });
  const batch = await fleet.batch({ state: 'ended', ended_at: old });
  const member = await fleet.machine({ state: 'booting', state_since: old, batch_id: batch });
  await fleet.run(JOINED, [batch, member]);
  const parked = await fleet.machine({ state: 'parked', state_since: old });
  const held = await fleet.held('leased', 'active');
  const pending = await fleet.lease({ requested_at: old });
  const open = await fleet.batch({ opened_at: old });
  await purge();
  const rows = [
    ['machine', machine],
    ['machine', member],
    ['machine', parked],
    ['machine', held.machine],
    ['instance', still],
    ['batch', batch],
    ['batch', open],
    ['lease', held.lease],
    ['lease', pending],
  ] as const;
  for (const [table, id] of rows) expect([table, await isThere(table, id)]).toEqual([table, true]);
});

test('old entries of the log go, and so does nothing else of a machine that lives', async () => {
  const id = await fleet.machine();
  await fleet.run(`update transition set at = $2 where machine_id = $1`, [id, old]);
  await fleet.run(`update machine set token = 1, changed_at = $2 where id = $1`, [id, recent]);
  await purge();
  const rows = await fleet.run(`select token from transition where machine_id = $1`, [id]);
  expect(rows).toEqual([{ token: '1' }]);
});

test('old entries of the audit go, and recent ones stay', async () => {
  for (const at of [old, recent]) {
    await fleet.run(`insert into audit (at, by, what, subject) values ($1, 'a test', 'freeze', 'launch')`, [
      at,
    ]);
  }
  await purge();
  expect(await fleet.run(`select at from audit`)).toEqual([{ at: recent }]);
});

test('no more goes at once than it may, and the rest goes the next time', async () => {
  await purge();
  for (let count = 0; count < 5; count += 1) await ended('failed', old);
  const left = async () => (await fleet.run(`select id from lease where ended_at = $1`, [old])).length;
  expect(await left()).toBe(5);
  expect(await purge(2)).toBeGreaterThanOrEqual(2);
  expect(await left()).toBe(3);
  await purge(2);
  await purge(2);
  expect(await left()).toBe(0);
  expect(await purge(2)).toBe(0);
});

test('the intents of a machine go with it, and its memberships with their batch', async () => {
  const id = await fleet.machine({ state: 'deleted', state_since: old });
  const closed = { opened_at: old, closed_at: old, closed_why: 'done' };
  const intent = await fleet.intent({ machine_id: id, kind: 'retire', ...closed });
  const first = await fleet.batch({ state: 'ended', ended_at: old });
  const second = await fleet.batch({ state: 'ended', ended_at: recent });
  for (const batch of [first, second]) await fleet.run(JOINED, [batch, id]);
  await purge();
  expect([await isThere('machine', id), await isThere('intent', intent)]).toEqual([false, false]);
  expect(await fleet.run(`select batch_id from batch_member where machine_id = $1`, [id])).toEqual([
    { batch_id: second },
  ]);
});

const JOINED = `insert into batch_member (batch_id, machine_id, token) values ($1, $2, 1)`;
