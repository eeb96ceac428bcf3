import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Listed } from '../../src/fleet/views.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

let fleet: RawFleet;
let storage: Storage;
beforeAll(async () => {
  fleet = await openRawFleet();
  storage = await createStorage({ url: fleet.url });
  await fleet.run(
    `insert into pool (name, spec, owner, recycle, max, created_at, updated_at)
      select name, '{}', 'api', 'reset', 9, now(), now() from unnest(array['browsers', 'runners']) name`,
  );
});
afterAll(async () => {
  await storage.close();
  await fleet.close();
});

const at = (minute: number) => new Date(Date.UTC(2030, 0, 1, 0, minute));

/** Every page in turn; fails where they do not end. */
async function pages<Item extends { id: string }>(
  list: (after: string | null) => Promise<Listed<Item>>,
): Promise<string[][]> {
  const found: string[][] = [];
  for (let after: string | null = null; found.length < 20;) {
    const page = await list(after);
    found.push(page.items.map((item) => item.id));
    if (!page.more) return found;
    after = page.items.at(-1)?.id ?? null;
  }
  throw new Error('the pages never end');
}

describe('the list of leases', () => {
  const owner = randomUUID();
  const asked = (minute: number, columns = {}) =>
    fleet.lease({ owner, requested_at: at(minute), ...columns });

  test('comes in pages, newest first, also where two were asked for at once', async () => {
    const ids = [await asked(3), await asked(1), await asked(2), await asked(2), await asked(0)];
    const query = { owner, state: null, pool: null, limit: 2 };
    const found = await pages((after) => storage.views.listLeases({ ...query, after }));
    expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(found.flat().toSorted()).toEqual(ids.toSorted());
    expect([found[0]?.[0], found[2]?.[0]]).toEqual([ids[0], ids[4]]);
  });

  test('shows an owner its own, and nobody in particular everybody’s', async () => {
    const mine = await fleet.lease({ owner: 'mine', requested_at: at(9) });
    const query = { state: null, pool: null, limit: 200, after: null };
    const { items } = await storage.views.listLeases({ ...query, owner: 'mine' });
    expect(items.map((lease) => lease.id)).toEqual([mine]);
    const all = await storage.views.listLeases({ ...query, owner: null });
    expect(new Set(all.items.map((lease) => lease.owner)).size).toBeGreaterThan(1);
  });

  test('is narrowed by state, and by the pool a lease is on or could be served by', async () => {
    const machine_id = await fleet.machine({ state: 'stopped', pool: 'browsers', address: '10.0.0.7' });
    const active = await asked(4, {
      state: 'active',
      machine_id,
      pool: 'browsers',
      pools: ['browsers', 'runners'],
    });
    const pending = await asked(5, { pools: ['browsers', 'runners'] });
    const query = { owner, limit: 200, after: null };
    const ids = async (more: { state: 'active' | null; pool: string | null }) =>
      (await storage.views.listLeases({ ...query, ...more })).items.map((lease) => lease.id);
    expect(await ids({ state: 'active', pool: null })).toEqual([active]);
    expect(await ids({ state: null, pool: 'browsers' })).toEqual([pending, active]);
    expect(await ids({ state: null, pool: 'runners' })).toEqual([pending]);
    expect(await ids({ state: null, pool: 'unheard of' })).toEqual([]);
  });

  test('tells instants as dates, clocks as numbers, and an address only while the hold stands', async () => {
    const machine_id = await fleet.machine({ state: 'stopped', address: '10.0.0.8' });
    const id = await fleet.lease({
      owner: 'teller',
      state: 'active',
      machine_id,
      active_at: at(1),
      requested_at: at(0),
    });
    const query = { owner: 'teller', state: null, pool: null, limit: 1, after: null };
    const { items } = await storage.views.listLeases(query);
    expect(items).toMatchObject([
      {
        id,
        machine: machine_id,
        address: '10.0.0.8',
        requestedAt: at(0),
        activeAt: at(1),
        heartbeatTimeoutMs: 1000,
      },
    ]);
    await fleet.run(`update lease set state = 'ending', outcome = 'lost' where id = $1`, [id]);
    await fleet.run(`update lease set state = 'lost', ended_at = $2 where id = $1`, [id, at(2)]);
    const [ended] = (await storage.views.listLeases(query)).items;
    expect(ended).toMatchObject({ state: 'lost', address: null, endedAt: at(2), machine: machine_id });
  });
});

describe('the list of machines', () => {
  test('comes in pages by id, without tombstones unless they are asked for', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push(await fleet.machine({ pool: 'runners' }));
    const tombstone = await fleet.machine({ pool: 'runners', state: 'deleted' });
    const query = { pool: 'runners', limit: 2, setAside: null };
    const found = await pages((after) => storage.views.listMachines({ ...query, state: null, after }));
    expect(found.flat()).toEqual(ids.toSorted());
    const deleted = await storage.views.listMachines({ ...query, state: 'deleted', after: null });
    expect(deleted.items.map((machine) => machine.id)).toEqual([tombstone]);
  });

  test('tells a machine as the store does', async () => {
    const id = await fleet.machine({
      pool: 'browsers',
      state: 'booting',
      token: 3,
      deadline_at: at(3),
      failures: 2,
    });
    const { items } = await storage.views.listMachines({
      pool: 'browsers',
      state: 'booting',
      limit: 9,
      after: null,
      setAside: null,
    });
    expect(items).toEqual([await storage.store.look(id)]);
    expect(items[0]).toMatchObject({ token: 3, deadlineAt: at(3), failures: 2 });
  });
});

describe('a machine’s timeline', () => {
  test('is its newest moves, the oldest of them first', async () => {
    const id = await fleet.machine({ state: 'requested' });
    const states = ['provisioning', 'booting', 'ready', 'stopping'];
    for (const [index, state] of states.entries()) {
      const change = `update machine set state = $2, token = token + 1, changed_by = $3, changed_at = $4 where id = $1`;
      await fleet.run(change, [id, state, `job ${index}`, at(index)]);
    }
    const whole = await storage.views.machineTimeline({ machine: id, limit: 100 });
    expect(whole.map((entry) => entry.to)).toEqual(['requested', ...states]);
    expect(whole[0]).toMatchObject({ from: null, by: 'a test', token: 0 });
    const last = await storage.views.machineTimeline({ machine: id, limit: 2 });
    expect(last).toMatchObject([
      { from: 'booting', to: 'ready', by: 'job 2', token: 3, at: at(2) },
      { from: 'ready', to: 'stopping', by: 'job 3', token: 4, at: at(3) },
    ]);
  });

  test('is empty where there is no such machine', async () => {
    expect(await storage.views.machineTimeline({ machine: randomUUID(), limit: 5 })).toEqual([]);
  });
});

test('counts are by pool and state; a pending lease counts for each pool it could be served by', async () => {
  const counted = await openRawFleet();
  const own = await createStorage({ url: counted.url });
  try {
    await counted.run(
      `insert into pool (name, spec, owner, recycle, max, created_at, updated_at) values ('empty', '{}', 'api', 'reset', 9, now(), now())`,
    );
    await counted.machine();
    await counted.machine({ state: 'deleted' });
    await counted.lease({ pools: ['guests', 'empty'] });
    await counted.lease({ state: 'failed', outcome: 'failed', pools: ['guests'] });
    expect(await own.views.countByState()).toEqual({
      pools: [
        { pool: 'empty', machines: {}, leases: { pending: 1 } },
        { pool: 'guests', machines: { ready: 1 }, leases: { pending: 1, failed: 1 } },
      ],
      leases: { pending: 1, failed: 1 },
    });
  } finally {
    await own.close();
    await counted.close();
  }
});

test('a key is found with its owner, and with nobody else', async () => {
  const id = await fleet.lease({ owner: 'keeper', idempotency_key: 'once', digest: 'abc' });
  const found = await storage.views.leaseByKey({ owner: 'keeper', idempotencyKey: 'once' });
  expect(found).toMatchObject({ lease: { id, owner: 'keeper' }, digest: 'abc' });
  expect(await storage.views.leaseByKey({ owner: 'other', idempotencyKey: 'once' })).toBeUndefined();
});

test('of some intents those that are open are told', async () => {
  const machine_id = await fleet.machine();
  const open = await fleet.intent({ machine_id, kind: 'park' });
  const done = await fleet.intent({ machine_id, kind: 'park', closed_at: at(1), closed_why: 'done' });
  expect(await storage.views.openIntents([open, done, randomUUID()])).toEqual(new Set([open]));
  expect(await storage.views.openIntents([])).toEqual(new Set());
});
