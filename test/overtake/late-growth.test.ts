import { afterEach, beforeEach, expect, test } from 'vitest';
import { launchIds } from '../providers/contract-driver.ts';
import { type EmulatedScaleSets, emulateScaleSets, OPERATIONS } from '../providers/emulated-scale-sets.ts';

let under: EmulatedScaleSets;
beforeEach(async () => {
  under = await emulateScaleSets();
});
afterEach(() => under.close());

test('rule 10: a growth carries the ETag of the capacity it was computed from, so that a late one is refused', async () => {
  await launchIds(under, 2);
  await launchIds(under, 1);
  const etags = under.callsOf(OPERATIONS.launch).map((call) => call.token);
  expect(etags).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)]);
  expect(new Set(etags).size).toBe(2);
  expect(under.alive()).toHaveLength(3);
});
