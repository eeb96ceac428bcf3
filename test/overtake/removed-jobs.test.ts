import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { expectReleasedThenDeleted, expectStillHeld } from './promise.ts';
import { endWithLateRelease, jobOf, resultOfDelete, TOO_EARLY } from './sabotage.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('P5b: a release job removed from its queue lets delete run, and nothing is deleted before the release', async () => {
  const ended = await endWithLateRelease(fleet);
  expect(await fleet.queue('release').remove(`release.${ended.intent}.0`)).toBe(1);
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});

test('P6b: a drained release queue lets delete run, and nothing is deleted before the release', async () => {
  const ended = await endWithLateRelease(fleet);
  await fleet.queue('release').drain();
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});

test('P6c: an obliterated release queue lets delete run, and nothing is deleted before the release', async () => {
  const ended = await endWithLateRelease(fleet);
  await fleet.queue('release').obliterate({ force: true });
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});

test('P17b: a delete freed of its unprocessed children runs, and nothing is deleted before the release', async () => {
  const ended = await endWithLateRelease(fleet);
  await (await jobOf(fleet, 'delete', ended.intent)).removeUnprocessedChildren();
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});

test('P18: a release cut off from its parent lets delete run, and nothing is deleted before the release', async () => {
  const ended = await endWithLateRelease(fleet);
  expect(await (await jobOf(fleet, 'release', ended.intent)).removeChildDependency()).toBe(true);
  expect(await resultOfDelete(fleet, ended)).toEqual(TOO_EARLY);
  await expectStillHeld(fleet, ended);
  await ended.letRelease();
  await expectReleasedThenDeleted(fleet, ended);
});
