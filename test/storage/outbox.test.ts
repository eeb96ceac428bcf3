import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Bell } from '../../src/fleet/outbox.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

let fleet: RawFleet;
let one: Storage;
let two: Storage;
beforeAll(async () => {
  fleet = await openRawFleet();
  one = await createStorage({ url: fleet.url });
  two = await createStorage({ url: fleet.url });
});
afterAll(async () => {
  await Promise.all([one.close(), two.close()]);
  await fleet.close();
});
beforeEach(async () => {
  await fleet.run(`delete from outbox`);
});

const now = new Date('2030-01-01T00:00:00Z');
const NONE = new Map<number, Date>();

async function addWakes(count: number): Promise<void> {
  await fleet.run(
    `insert into outbox (kind, job, due_at) select 'wake', 'stop.' || n || '.0', $2 from generate_series(1, $1::integer) n`,
    [count, now],
  );
}

async function take(from: Storage, act: { limit?: number; at?: Date } = {}): Promise<readonly Bell[]> {
  let taken: readonly Bell[] = [];
  await from.outbox.deliver({
    now: act.at ?? now,
    limit: act.limit ?? 100,
    deliver: async (bells) => {
      taken = bells;
      return NONE;
    },
  });
  return taken;
}

const jobs = (bells: readonly Bell[]) => bells.map((bell) => (bell.kind === 'wake' ? bell.job : bell.kind));

describe('the outbox', () => {
  test('hands out bells in the order they were written, so many at a time, and forgets them', async () => {
    await addWakes(3);
    expect(jobs(await take(one, { limit: 2 }))).toEqual(['stop.1.0', 'stop.2.0']);
    expect(jobs(await take(one, { limit: 2 }))).toEqual(['stop.3.0']);
    expect(await take(one)).toEqual([]);
  });

  test('keeps a bell whose delivery failed', async () => {
    await addWakes(2);
    const failed = one.outbox.deliver({
      now,
      limit: 10,
      deliver: () => Promise.reject(new Error('Redis is away')),
    });
    await expect(failed).rejects.toThrow('Redis is away');
    expect(jobs(await take(two))).toEqual(['stop.1.0', 'stop.2.0']);
  });

  test('hands a bell out again whose deliverer ended before it had said so', async () => {
    await addWakes(1);
    const delivered: string[] = [];
    const cut = one.outbox.deliver({
      now,
      limit: 10,
      deliver: async (bells) => {
        delivered.push(...jobs(bells));
        await fleet.run(
          `select pg_terminate_backend(pid, 5000) from pg_stat_activity
            where datname = current_database() and state = 'idle in transaction'`,
        );
        return NONE;
      },
    });
    await expect(cut).rejects.toMatchObject({ code: 'unavailable' });
    delivered.push(...jobs(await take(two)));
    expect(delivered).toEqual(['stop.1.0', 'stop.1.0']);
  });

  test('never hands one bell to two deliverers at once', async () => {
    await addWakes(20);
    const { promise: heldOpen, resolve: letGo } = Promise.withResolvers<undefined>();
    const { promise: isTaken, resolve: taken } = Promise.withResolvers<readonly Bell[]>();
    const first = one.outbox.deliver({
      now,
      limit: 8,
      deliver: async (bells) => {
        taken(bells);
        await heldOpen;
        return NONE;
      },
    });
    const mine = await isTaken;
    const theirs = await take(two);
    letGo(undefined);
    expect(await first).toBe(8);
    expect([mine.length, theirs.length]).toEqual([8, 12]);
    expect(new Set([...jobs(mine), ...jobs(theirs)]).size).toBe(20);
    expect(await take(one)).toEqual([]);
  });

  test('keeps what was put off until then, and counts the tries', async () => {
    await addWakes(2);
    const later = new Date(now.getTime() + 1000);
    await one.outbox.deliver({
      now,
      limit: 10,
      deliver: async (bells) => new Map([[bells[0]?.id ?? 0, later]]),
    });
    expect(await take(one)).toEqual([]);
    expect(await take(one, { at: new Date(later.getTime() - 1) })).toEqual([]);
    expect(await take(one, { at: later })).toMatchObject([{ kind: 'wake', job: 'stop.1.0', tries: 1 }]);
  });

  test('says how many there were, none included', async () => {
    const deliver = async () => NONE;
    expect(await one.outbox.deliver({ now, limit: 10, deliver })).toBe(0);
    await addWakes(3);
    expect(await one.outbox.deliver({ now, limit: 10, deliver })).toBe(3);
  });

  test('tells each kind of bell what its job needs', async () => {
    const [intent, batch] = [randomUUID(), await fleet.batch()];
    const machine = await fleet.machine({
      state: 'leased',
      lease_id: randomUUID(),
      intent_id: intent,
      intent_kind: 'recycle',
    });
    const add = `insert into outbox (kind, pool, machine_id, intent_id, batch_id, step, ring, due_at)`;
    const values = [machine, intent, now];
    await fleet.run(`${add} values ('flow', 'guests', $1, $2, null, null, 0, $3)`, values);
    await fleet.run(`${add} values ('step', 'guests', $1, $2, null, 'stop', 4, $3)`, values);
    await fleet.run(`${add} values ('batch', null, null, null, $1, null, 2, $2)`, [batch, now]);
    const bells = await take(one);
    const id: unknown = expect.any(Number);
    expect(bells).toEqual([
      { id, kind: 'flow', machine, intent, pool: 'guests', state: 'leased', intentKind: 'recycle' },
      { id, kind: 'step', machine, intent, pool: 'guests', step: 'stop', ring: 4 },
      { id, kind: 'batch', batch, ring: 2 },
    ]);
  });

  test('drops the flow of an intent that is no longer open', async () => {
    const machine = await fleet.machine({
      state: 'stopping',
      intent_id: randomUUID(),
      intent_kind: 'retire',
    });
    await fleet.run(
      `insert into outbox (kind, pool, machine_id, intent_id, due_at) values ('flow', 'guests', $1, $2, $3)`,
      [machine, randomUUID(), now],
    );
    expect(await take(one)).toEqual([]);
    expect(await fleet.run(`select id from outbox`)).toEqual([]);
  });
});
