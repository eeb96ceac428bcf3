import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { expectReleasedThenDeleted, expectStillHeld } from './promise.ts';
import { endWithLateRelease, endWithWrongFlow, expectDeleteRan, jobOf } from './sabotage.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('P5b: a release job removed from its queue lets delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithLateRelease(fleet);
  expect(await fleet.queue('release').remove(`release.${ending.intent}.0`)).toBe(1);
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test('P6: failed releases cleaned away let delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithWrongFlow(fleet, {});
  await fleet.untilJob('release', `release.${ending.intent}.0`, 'failed');
  expect(await fleet.queue('release').clean(0, 100, 'failed')).toContain(`release.${ending.intent}.0`);
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test('P6b: a drained release queue lets delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithLateRelease(fleet);
  await fleet.queue('release').drain();
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test('P6c: an obliterated release queue lets delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithLateRelease(fleet);
  await fleet.queue('release').obliterate({ force: true });
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test('P17b: a delete freed of its unprocessed children runs, and nothing is deleted before the release', async () => {
  const ending = await endWithLateRelease(fleet);
  await (await jobOf(fleet, 'delete', ending.intent)).removeUnprocessedChildren();
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});

test('P18: a release cut off from its parent lets delete run, and nothing is deleted before the release', async () => {
  const ending = await endWithLateRelease(fleet);
  expect(await (await jobOf(fleet, 'release', ending.intent)).removeChildDependency()).toBe(true);
  await expectDeleteRan(fleet, ending);
  await expectStillHeld(fleet, ending);
  await ending.letRelease();
  await expectReleasedThenDeleted(fleet, ending);
});
