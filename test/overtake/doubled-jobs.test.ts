import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { expectReleasedThenDeleted, expectStillHeld } from './promise.ts';
import { deliverAgain, end, endWithLateRelease, publishAgain } from './sabotage.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('P13: a second flow for one machine reaches its delete during the stop, and nothing is deleted before the release', async () => {
  const letStop = fleet.cloud.memory.hold('stop');
  const ended = await end(fleet);
  await fleet.untilMachine(ended.machine.id, 'stopping');
  await publishAgain(fleet, ended, 5);
  const deletion = await fleet.untilJob('delete', `delete.${ended.intent}.5`, 'completed');
  expect(deletion.returnvalue).toEqual({ kind: 'done', note: 'nothing to do: stopping owes stop' });
  await expectStillHeld(fleet, ended);
  letStop();
  await expectReleasedThenDeleted(fleet, ended);
  expect(fleet.cloud.effects('stop')).toHaveLength(1);
});

test('P13: ten flows for one machine at once stop, release and delete it once', async () => {
  await fleet.queue('stop').pause();
  const ended = await end(fleet);
  for (let ring = 1; ring <= 9; ring += 1) await publishAgain(fleet, ended, ring);
  await fleet.queue('stop').resume();
  await expectReleasedThenDeleted(fleet, ended);
  expect(fleet.cloud.effects('stop')).toHaveLength(1);
});

test('each step delivered again while it is done, before and after, is done once and in order', async () => {
  const letStop = fleet.cloud.memory.hold('stop');
  const letDelete = fleet.cloud.memory.hold('delete');
  const ended = await end(fleet);
  const { unlock } = await fleet.lockLease(ended.lease);
  await fleet.untilMachine(ended.machine.id, 'stopping');
  await deliverAllAndWait(ended, 11);
  await expectStillHeld(fleet, ended);
  letStop();
  await fleet.untilMachine(ended.machine.id, 'stopped');
  const during = await deliverAll(ended, 12);
  await expectStillHeld(fleet, ended);
  await unlock();
  await fleet.untilMachine(ended.machine.id, 'deleting');
  await deliverAllAndWait(ended, 13);
  letDelete();
  // One of these may be the job that does the deletion.
  await untilCompleted(during);
  await expectReleasedThenDeleted(fleet, ended);
  await deliverAllAndWait(ended, 14);
  await expectReleasedThenDeleted(fleet, ended);
  expect(fleet.cloud.effects('stop')).toHaveLength(1);
});

test('a Redis emptied between stop and release costs neither the release nor the deletion, nor their order', async () => {
  const ended = await endWithLateRelease(fleet);
  await fleet.emptyRedis();
  expect(await fleet.queue('delete').getJobState(`delete.${ended.intent}.0`)).toBe('unknown');
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});

type Ended = Awaited<ReturnType<typeof end>>;
const STEPS = ['delete', 'release', 'stop'] as const;

async function deliverAll(ended: Ended, ring: number): Promise<[(typeof STEPS)[number], string][]> {
  return Promise.all(STEPS.map(async (step) => [step, await deliverAgain(fleet, ended, { step, ring })]));
}

async function untilCompleted(jobs: Awaited<ReturnType<typeof deliverAll>>): Promise<void> {
  for (const [step, id] of jobs) await fleet.untilJob(step, id, 'completed');
}

async function deliverAllAndWait(ended: Ended, ring: number): Promise<void> {
  await untilCompleted(await deliverAll(ended, ring));
}
