import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HistoryRecord } from '../../src/audit/history.ts';
import { parseRecord } from '../../src/audit/read-history.ts';
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

/** What has been written since, as the auditor reads it from a file. */
async function recordsOf(work: () => Promise<unknown>): Promise<HistoryRecord[]> {
  const before = (await Array.fromAsync(storage.history.records())).length;
  await work();
  const written = (await Array.fromAsync(storage.history.records())).slice(before);
  return written.map((record, index) => parseRecord(JSON.stringify(record), `record ${index}`));
}

const now = new Date('2030-01-01T00:00:00Z');
const later = new Date('2030-01-01T00:05:00Z');

test('a machine is told from its beginning, with each write that an auditor must know', async () => {
  const [intent, lease, batch] = [randomUUID(), randomUUID(), await fleet.batch()];
  const records = await recordsOf(async () => {
    const id = await fleet.machine({
      state: 'booting',
      clean: false,
      intent_id: intent,
      intent_kind: 'provision',
    });
    const set = (columns: string) =>
      fleet.run(`update machine set ${columns}, changed_by = 'job', changed_at = $2 where id = $1`, [
        id,
        later,
      ]);
    await set(`batch_id = '${batch}'`);
    await set(`address = '10.0.0.1'`);
    await set(`batch_id = null, instance_id = 'i-told', deadline_at = '2030-01-01T01:00:00Z'`);
    await set(`state = 'ready', clean = true, token = 1, intent_id = null, intent_kind = null`);
    await set(`state = 'leased', clean = false, lease_id = '${lease}'`);
  });
  const common = { type: 'machine', pool: 'guests', placement: 'here' };
  expect(records).toMatchObject([
    {
      ...common,
      from: null,
      to: 'booting',
      token: 0,
      intent,
      intentKind: 'provision',
      clean: false,
      by: 'a test',
    },
    { ...common, from: 'booting', to: 'booting', batch, at: later.getTime(), by: 'job' },
    {
      ...common,
      to: 'booting',
      batch: null,
      instance: 'i-told',
      deadlineAt: Date.parse('2030-01-01T01:00:00Z'),
    },
    { ...common, from: 'booting', to: 'ready', token: 1, intent: null, clean: true, lease: null },
    { ...common, from: 'ready', to: 'leased', lease, clean: false },
  ]);
});

test('a lease is told with its states, its outcome and each move of its deadline', async () => {
  const machine = await fleet.machine({ state: 'stopped' });
  const records = await recordsOf(async () => {
    const id = await fleet.lease({ deadline_at: later });
    const set = (columns: string) => fleet.run(`update lease set ${columns} where id = $1`, [id]);
    await set(`state = 'active', machine_id = '${machine}', pool = 'guests', deadline_at = null`);
    await set(`deadline_at = '2030-01-01T02:00:00Z'`);
    await set(`priority = 3`);
    await set(`state = 'ending', outcome = 'completed', deadline_at = null`);
    await set(`state = 'completed'`);
  });
  expect(records).toMatchObject([
    { type: 'lease', from: null, to: 'pending', machine: null, outcome: null, deadlineAt: later.getTime() },
    { type: 'lease', from: 'pending', to: 'active', machine, deadlineAt: null },
    { type: 'lease', from: 'active', to: 'active', deadlineAt: Date.parse('2030-01-01T02:00:00Z') },
    { type: 'lease', from: 'active', to: 'ending', outcome: 'completed', deadlineAt: null },
    { type: 'lease', from: 'ending', to: 'completed', pool: 'guests', outcome: 'completed' },
  ]);
});

test('an instance is told with its owner, its condemnation and how it was found gone', async () => {
  const machine = await fleet.machine();
  const records = await recordsOf(async () => {
    const id = await fleet.instance();
    await fleet.run(`update instance set machine_id = $2 where id = $1`, [id, machine]);
    await fleet.run(`update instance set condemned_at = $2 where id = $1`, [id, now]);
    await fleet.run(`update instance set gone = 'listed-gone', gone_at = $2 where id = $1`, [id, later]);
  });
  const common = { type: 'instance', pool: 'guests' };
  expect(records).toMatchObject([
    { ...common, machine: null, condemned: false, gone: null },
    { ...common, machine, condemned: false, gone: null },
    { ...common, machine, condemned: true, gone: null },
    { ...common, machine, condemned: true, gone: 'listed-gone' },
  ]);
});

test('a batch is told with its lane, its verb and each change of state or token', async () => {
  const records = await recordsOf(async () => {
    const id = await fleet.batch({ lane: 'scale set one', verb: 'delete' });
    await fleet.run(`update batch set count = 2 where id = $1`, [id]);
    await fleet.run(`update batch set state = 'closed', token = 1 where id = $1`, [id]);
    await fleet.run(`update batch set token = 2 where id = $1`, [id]);
    await fleet.run(`update batch set state = 'ended' where id = $1`, [id]);
  });
  const common = { type: 'batch', lane: 'scale set one', verb: 'delete' };
  expect(records.filter((record) => record.type !== 'batch' || record.state !== 'open')).toMatchObject([
    { ...common, state: 'closed', token: 1 },
    { ...common, state: 'closed', token: 2 },
    { ...common, state: 'ended', token: 2 },
  ]);
});

test('what reconcile saw of an owed step is told, and of a batch nothing', async () => {
  const machine = await fleet.machine();
  const ring = {
    kind: 'step',
    machine,
    batch: null,
    pool: 'guests',
    intent: randomUUID(),
    step: 'stop',
    ring: 1,
    since: now,
  } as const;
  const records = await recordsOf(async () => {
    await storage.history.witness({ at: later, ring, live: false, rung: true });
    await storage.history.witness({ at: later, ring, live: true, rung: false });
    await storage.history.witness({
      at: later,
      ring: { ...ring, kind: 'batch', machine: null, batch: randomUUID() },
      live: true,
      rung: false,
    });
  });
  const common = { type: 'owed', machine, step: 'stop', since: now.getTime(), at: later.getTime() };
  expect(records).toMatchObject([
    { ...common, live: false, rung: true },
    { ...common, live: true, rung: false },
  ]);
});

test('one commit has one time, and a write that was rolled back is not told', async () => {
  const records = await recordsOf(async () => {
    await fleet.begin();
    await fleet.machine();
    await fleet.undo();
    await fleet.begin();
    await fleet.machine();
    await fleet.lease();
    await fleet.run('commit');
    await fleet.machine();
  });
  expect(records.map((record) => record.type)).toEqual(['machine', 'lease', 'machine']);
  const [first, second, third] = records.map((record) =>
    'committedAt' in record ? record.committedAt : undefined,
  );
  expect(second).toBe(first);
  expect(third).toBeGreaterThanOrEqual(first ?? Infinity);
});

test('more than one page comes whole and in order', async () => {
  await fleet.run(
    `insert into transition (entity, subject, machine_id, pool, placement, to_state, token, flag, by, at)
      select 'machine', gen_random_uuid()::text, null, 'guests', 'here', 'requested', 0, false, 'a test', $1
      from generate_series(1, 10001)`,
    [now],
  );
  const records = await Array.fromAsync(storage.history.records());
  const seqs = records.flatMap((record) => (typeof record['seq'] === 'number' ? [record['seq']] : []));
  expect(seqs.length).toBeGreaterThan(10_000);
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
});
