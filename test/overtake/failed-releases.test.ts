import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { expectReleasedThenDeleted, expectStillHeld } from './promise.ts';
import { endWithWrongFlow, expectDeleteRan, jobOf, refuse } from './sabotage.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('P4: a failed release that leaves no record lets delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithWrongFlow(fleet, { removeOnFail: true });
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test("P4b: a failed release evicted by another machine's failure lets delete run, and nothing is deleted before the release", async () => {
  const first = await endWithWrongFlow(fleet, { removeOnFail: { count: 1 } });
  await fleet.untilJob('release', `release.${first.intent}.0`, 'failed');
  expect(await (await jobOf(fleet, 'delete', first.intent)).getState()).toBe('waiting-children');
  const second = await endWithWrongFlow(fleet, { removeOnFail: { count: 1 } });
  await expectDeleteRan(fleet, first);
  await expectStillHeld(fleet, first);
  await expectStillHeld(fleet, second);
  await second.letRelease();
  await expectReleasedThenDeleted(fleet, second);
  expect(await fleet.store.look(first.machine.id)).toMatchObject({ state: 'stopped' });
  await first.letRelease();
  await expectReleasedThenDeleted(fleet, first);
});

test.each(['ignoreDependencyOnFailure', 'removeDependencyOnFailure', 'continueParentOnFailure'])(
  'P21: a release published with %s lets delete run when it fails, and nothing is deleted before the release',
  async (option) => {
    const ending = await endWithWrongFlow(fleet, { [option]: true });
    await expectDeleteRan(fleet, ending);
    await expectStillHeld(fleet, ending);
    await ending.letRelease();
    await expectReleasedThenDeleted(fleet, ending);
  },
);

test('P3e: a delete retried by hand before its failed release is mended runs, and nothing is deleted before the release', async () => {
  const { lease, machine } = await fleet.leaseAMachine();
  const mend = await refuse(fleet, 'lease', 'ended_at is null');
  await fleet.endLease(lease);
  const intent = (await fleet.store.look(machine.id))?.intent ?? '';
  await fleet.untilJob('release', `release.${intent}.0`, 'failed');
  const failed = await fleet.untilJob('delete', `delete.${intent}.0`, 'failed');
  await failed.retry('failed');
  await expectFailedAfterRunning(intent, 'delete', failed.attemptsStarted);
  await expectStillHeld(fleet, { lease, machine });
  await mend();
  await expectReleasedThenDeleted(fleet, { lease, machine });
});

test('P3c: a failed flow retried from the top down runs delete first, and nothing is deleted before the release', async () => {
  const { lease, machine } = await fleet.leaseAMachine();
  const mend = await refuse(fleet, 'machine', `state <> 'stopping'`);
  await fleet.endLease(lease);
  const intent = (await fleet.store.look(machine.id))?.intent ?? '';
  for (const step of ['delete', 'release'] as const) {
    const failed = await fleet.untilJob(step, `${step}.${intent}.0`, 'failed');
    await failed.retry('failed');
    await expectFailedAfterRunning(intent, step, failed.attemptsStarted);
  }
  await (await jobOf(fleet, 'stop', intent)).retry('failed');
  await expectStillHeld(fleet, { lease, machine });
  await mend();
  await expectReleasedThenDeleted(fleet, { lease, machine });
});

/** BullMQ runs the processor and only then finds that a child has failed. */
async function expectFailedAfterRunning(
  intent: string,
  step: 'delete' | 'release',
  before: number,
): Promise<void> {
  const id = `${step}.${intent}.0`;
  await fleet.until(`${id} to have been run again`, async () => {
    const job = await fleet.queue(step).getJob(id);
    const isOver = job !== undefined && job.attemptsStarted > before && (await job.getState()) === 'failed';
    return isOver && /failed child/.test(job.failedReason) ? job : undefined;
  });
}
