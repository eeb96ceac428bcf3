import { afterEach, expect, test, vi } from 'vitest';
import { type BreakableLine, createBreakableLine } from '../http/breakable-line.ts';
import { VERBS } from '../../src/fleet/provider.ts';
import { type Fleet, type FleetOptions, startFleet } from '../support/fleet.ts';
import { aPool } from '../support/pools.ts';
import { expectReleasedThenDeleted, expectSoundHistory } from './promise.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
let lines: BreakableLine[] = [];
afterEach(async () => {
  for (const line of lines) line.mend();
  await fleet.stop();
  for (const line of lines) await line.close();
  lines = [];
});

test("P7: a worker that stalls during its stop is taken over, and its late stop changes nothing after the machine's deletion", async () => {
  await startWithFirst({});
  const { lease, machine } = await fleet.leaseAMachine();
  const late = await stallDuringStop(async () => fleet.endLease(lease));
  await fleet.startWorker('second');
  await expectReleasedThenDeleted(fleet, { lease, machine });
  late.letThrough();
  await fleet.until('the late stop to be answered', async () =>
    fleet.cloud.calls('stop').find((call) => call.worker === 'first' && call.answeredAt !== null),
  );
  lines.forEach((line) => line.mend());
  const from = (worker: string) => fleet.cloud.calls('stop').find((call) => call.worker === worker);
  expect(from('first')).toMatchObject({ seen: [{ state: 'deleted' }] });
  // Both went out under one token, which is why the late one did nothing.
  expect(from('second')).toMatchObject({ batch: from('first')?.batch });
  expect(fleet.cloud.effects('stop')).toHaveLength(1);
  await expectReleasedThenDeleted(fleet, { lease, machine });
});

test('P7: where the cloud does not recognise a repeated stop, a machine whose stop was taken over is never leased again', async () => {
  const replaySafe = VERBS.filter((verb) => verb !== 'stop');
  await startWithFirst({ replaySafe, pools: [aPool({ recycle: 'reset' })] });
  const { lease, machine } = await fleet.leaseAMachine();
  const late = await stallDuringStop(async () => fleet.endLease(lease));
  await fleet.startWorker('second');
  const next = await fleet.leaseAMachine();
  expect(next.machine.id).not.toBe(machine.id);
  late.letThrough();
  lines.forEach((line) => line.mend());
  await expectReleasedThenDeleted(fleet, { lease, machine });
  expect(await fleet.store.look(next.machine.id)).toMatchObject({ state: 'leased' });
  await expectSoundHistory(fleet);
});

/** A fleet whose one worker reaches its servers over lines that can be frozen. */
async function startWithFirst(options: FleetOptions): Promise<void> {
  const stalls = { lockMs: 1000, lookMs: 250, most: 1000 };
  fleet = await startFleet({ ...options, workers: [], stalls, work: { claimMs: 1000 } });
  const database = await createBreakableLine(fleet.urls.databaseUrl);
  const redis = await createBreakableLine(fleet.urls.redisUrl);
  lines = [database, redis];
  await fleet.startWorker('first', { databaseUrl: database.url, redisUrl: redis.url });
}

/** The first worker has sent its stop, and is then heard of no more: its locks and claims run out. */
async function stallDuringStop(begin: () => Promise<void>): Promise<{ letThrough(): void }> {
  const held = fleet.cloud.holdOnTheWay('first', 'stop');
  await begin();
  await fleet.until('the stop to be on its way', async () => held.waiting() || undefined);
  lines.forEach((line) => line.freeze());
  return held;
}
