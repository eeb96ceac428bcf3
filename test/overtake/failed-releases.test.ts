import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { expectReleasedThenDeleted, expectStillHeld } from './promise.ts';
import {
  end,
  endWithWrongFlow,
  jobOf,
  refuseReleases,
  refuseStops,
  resultOfDelete,
  TOO_EARLY,
} from './sabotage.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('P4: a failed release that leaves no record lets delete run, and nothing is deleted before the release', async () => {
  const mend = await refuseReleases(fleet);
  const ended = await endWithWrongFlow(fleet, { removeOnFail: true });
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await mend();
  await expectReleasedThenDeleted(fleet, ended);
});

test("P4b: a failed release evicted by another machine's failure lets delete run, and nothing is deleted before the release", async () => {
  const mend = await refuseReleases(fleet);
  const first = await endWithWrongFlow(fleet, { removeOnFail: { count: 1 } });
  await fleet.untilJob('release', `release.${first.intent}.0`, 'failed');
  expect(await (await jobOf(fleet, 'delete', first.intent)).getState()).toBe('waiting-children');
  const second = await endWithWrongFlow(fleet, { removeOnFail: { count: 1 } });
  expect(await resultOfDelete(fleet, first)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, first);
  await expectStillHeld(fleet, second);
  await mend();
  await expectReleasedThenDeleted(fleet, first);
  await expectReleasedThenDeleted(fleet, second);
});

test('P6: failed releases cleaned away let delete run, and nothing is deleted before the release', async () => {
  const mend = await refuseReleases(fleet);
  const ended = await endWithWrongFlow(fleet, {});
  await fleet.untilJob('release', `release.${ended.intent}.0`, 'failed');
  expect(await fleet.queue('release').clean(0, 100, 'failed')).toContain(`release.${ended.intent}.0`);
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await mend();
  await expectReleasedThenDeleted(fleet, ended);
});

test.each(['ignoreDependencyOnFailure', 'removeDependencyOnFailure', 'continueParentOnFailure'])(
  'P21: a release published with %s lets delete run when it fails, and nothing is deleted before the release',
  async (option) => {
    const mend = await refuseReleases(fleet);
    const ended = await endWithWrongFlow(fleet, { [option]: true });
    expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
    await expectStillHeld(fleet, ended);
    await mend();
    await expectReleasedThenDeleted(fleet, ended);
  },
);

test('P3e: a delete retried by hand before its failed release is mended runs, and nothing is deleted before the release', async () => {
  const mend = await refuseReleases(fleet);
  const ended = await end(fleet);
  await fleet.untilJob('release', `release.${ended.intent}.0`, 'failed');
  expect(await retryAndSeeItRun('delete', ended.intent)).toMatch(REFUSED_AFTERWARDS);
  await expectStillHeld(fleet, ended);
  await mend();
  await expectReleasedThenDeleted(fleet, ended);
});

test('P3c: a failed flow retried from the top down runs delete first, and nothing is deleted before the release', async () => {
  const mend = await refuseStops(fleet);
  const ended = await end(fleet);
  expect(await retryAndSeeItRun('delete', ended.intent)).toMatch(REFUSED_AFTERWARDS);
  expect(await retryAndSeeItRun('release', ended.intent)).toMatch(REFUSED_AFTERWARDS);
  await (await fleet.untilJob('stop', `stop.${ended.intent}.0`, 'failed')).retry('failed');
  await expectStillHeld(fleet, ended);
  await mend();
  await expectReleasedThenDeleted(fleet, ended);
});

/** BullMQ runs the processor of a job whose child has failed, and finds that out only when it would complete it. */
async function retryAndSeeItRun(step: 'delete' | 'release', intent: string): Promise<string> {
  const id = `${step}.${intent}.0`;
  const failed = await fleet.untilJob(step, id, 'failed');
  await failed.retry('failed');
  return fleet.until(`${id} to have been run`, async () => {
    const job = await fleet.queue(step).getJob(id);
    return job?.failedReason === failed.failedReason ? undefined : job?.failedReason || undefined;
  });
}

const REFUSED_AFTERWARDS = /cannot complete/i;
