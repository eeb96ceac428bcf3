import { AssertionError } from 'node:assert';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Ring } from '../../../src/fleet/reconcile-acts.ts';
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

test('rule 9: a step that is being done is claimed again only once its claim has run out', async () => {
  const { machine } = await fleet.ending('retire');
  const first = await fleet.claim(machine.id, { step: 'stop', at: 0, until: 10 });
  expect(first.granted).toBe(true);
  expect(await fleet.claim(machine.id, { step: 'stop', at: 9 })).toMatchObject({ granted: false });
  expect(await fleet.claim(machine.id, { step: 'stop', at: 10 })).toMatchObject({ granted: true });
});

test('rule 9: a step is ended only under the token it was last claimed with', async () => {
  const { machine } = await fleet.stopping('retire');
  await fleet.claim(machine.id, { step: 'stop', at: 20 });
  const late = fleet.store.finish({ ...fleet.act(machine.id), step: 'stop', token: machine.token });
  await expect(late).resolves.toMatchObject({ granted: false, machine: { state: 'stopping' } });
});

test('rule 9: a batch that is being sent is claimed again only once its claim has run out', async () => {
  const { machine } = await fleet.stopping('retire');
  const { batch } = await fleet.join(machine.id, 'stop');
  await fleet.close(batch?.id ?? '', { at: 0, until: 10 });
  const again = { batch: batch?.id ?? '', by: 'another', until: fleet.at(30), replaySafe: true };
  expect(await fleet.store.claimBatch({ ...again, now: fleet.at(9) })).toBeUndefined();
  expect(await fleet.store.claimBatch({ ...again, now: fleet.at(10) })).toBeDefined();
});

test('rule 9: each ring of a step is a job with a new id', async () => {
  const { machine } = await fleet.ending('retire');
  expect(await ringTwice({ machine: machine.id })).toEqual([1, 2]);
});

test('rule 9: each ring of a batch is a job with a new id', async () => {
  const { machine } = await fleet.stopping('retire');
  const { batch } = await fleet.join(machine.id, 'stop');
  expect(await ringTwice({ batch: batch?.id ?? '' })).toEqual([1, 2]);
});

test('rule 9: a step whose claim is running is not rung', async () => {
  const { machine } = await fleet.ending('retire');
  const ring = await findRing({ machine: machine.id }, 100);
  await fleet.claim(machine.id, { step: 'stop', at: 100, until: 200 });
  await expect(findRing({ machine: machine.id }, 100)).rejects.toThrow('nobody is to be rung');
  expect(await fleet.store.ringAgain({ ring, now: fleet.at(100) })).toBe(false);
});

/** What reconcile would ring at that moment. */
async function findRing(of: { machine?: string; batch?: string }, seconds: number): Promise<Ring> {
  const now = fleet.at(seconds);
  const rings = await fleet.store.unattended({ now, before: now, after: null, limit: 1000 });
  const found = rings.find(
    (ring) => ring.machine === (of.machine ?? null) && ring.batch === (of.batch ?? null),
  );
  if (found === undefined) throw new AssertionError({ message: 'nobody is to be rung' });
  return found;
}

/** Rings in two rounds; answers the numbers of the jobs that were asked for. */
async function ringTwice(of: { machine?: string; batch?: string }): Promise<number[]> {
  for (const seconds of [100, 200]) {
    const ring = await findRing(of, seconds);
    expect(await fleet.store.ringAgain({ ring, now: fleet.at(seconds) })).toBe(true);
  }
  const rows = await fleet.sql(
    `select ring from outbox where kind in ('step', 'batch') and (machine_id = $1 or batch_id = $2) order by id`,
    [of.machine ?? null, of.batch ?? null],
  );
  return rows.map((row) => Number(row['ring']));
}
