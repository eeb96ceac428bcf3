import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Ports } from '../../../src/fleet/ports.ts';
import { reconcile } from '../../../src/workers/reconcile.ts';
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

test('rule 13: a round of reconcile recovers a machine past its deadline', async () => {
  const machine = await fleet.booting();
  await roundAt(10_000, []);
  expect(await fleet.look(machine.id)).toMatchObject({ state: 'booting', intentKind: 'retire' });
});

test('rule 13: a round of reconcile ends a request that has waited too long', async () => {
  const { id } = await fleet.requestLease();
  await roundAt(10_000, []);
  expect(await fleet.store.readLease(id)).toMatchObject({ state: 'failed', reason: 'no-capacity' });
});

test('rule 9: a round of reconcile rings a step that has no job, and leaves one that has', async () => {
  const [lost, waiting] = [await fleet.ending('retire'), await fleet.ending('retire')];
  await roundAt(10, [`stop.${waiting.machine.intent}.0`]);
  expect(await fleet.look(lost.machine.id)).toMatchObject({ ring: 1 });
  expect(await fleet.look(waiting.machine.id)).toMatchObject({ ring: 0 });
});

/** One round at that moment, over the real store; these jobs are there, and no others. */
async function roundAt(seconds: number, jobs: readonly string[]): Promise<void> {
  const nothing = () => undefined;
  const ports: Partial<Ports> = {
    store: fleet.store,
    clock: { now: () => fleet.at(seconds) },
    jobs: { nudge: nothing, live: async () => new Set(jobs) } as Partial<Ports['jobs']> as Ports['jobs'],
    log: { info: nothing, warn: nothing, error: nothing },
    witness: async () => undefined,
    settings: { reconcileMs: 1000, sweepMs: 60_000 } as Partial<Ports['settings']> as Ports['settings'],
  };
  const outcome = await reconcile(ports as Ports, { round: 1 }, new AbortController().signal);
  expect(outcome).toEqual({ kind: 'done' });
}
