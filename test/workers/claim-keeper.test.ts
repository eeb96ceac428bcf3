import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { createClaimKeeper } from '../../src/workers/claim-keeper.ts';
import { openRawFleet, type RawFleet } from '../storage/raw-fleet.ts';

let fleet: RawFleet;
let storage: Storage;
beforeAll(async () => {
  fleet = await openRawFleet();
  storage = await createStorage({ url: fleet.url });
});
afterAll(async () => {
  await storage.close();
  await fleet.close();
});

const CLAIM_MS = 150;
type RenewBatch = Storage['store']['renewBatch'];

function keeper(renewBatch: RenewBatch = storage.store.renewBatch) {
  return createClaimKeeper({ store: { renewBatch }, clock: { now: () => new Date() }, claimMs: CLAIM_MS });
}

/** A batch whose call is under way, claimed until a moment long ago. */
async function sentBatch(token: number): Promise<{ id: string; token: number }> {
  const id = await fleet.batch({ state: 'sent', token, claimed_until: new Date(0) });
  return { id, token };
}

async function claimedUntil(batch: { id: string }): Promise<number> {
  const [row] = await fleet.run(`select claimed_until from batch where id = $1`, [batch.id]);
  const until = row?.['claimed_until'];
  return until instanceof Date ? until.getTime() : NaN;
}

async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const answer = await waitUntil({ deadlineMs: 15_000, everyMs: 5 }, probe);
  if (answer === undefined) throw new Error(`waited in vain for ${what}`);
  return answer;
}

async function renewals(batch: { id: string }, count: number): Promise<void> {
  let last = await claimedUntil(batch);
  for (let seen = 0; seen < count; seen += 1) {
    last = await until('a renewal', async () => {
      const now = await claimedUntil(batch);
      return now > last ? now : undefined;
    });
  }
}

test('a claim is renewed, by no more than its length, for as long as it is kept', async () => {
  const batch = await sentBatch(3);
  const kept = keeper().keep(batch);
  onTestFinished(kept.letGo);
  await renewals(batch, 4);
  expect(await claimedUntil(batch)).toBeLessThanOrEqual(Date.now() + CLAIM_MS);
  expect(kept.signal.aborted).toBe(false);
});

test('a claim that was let go is not renewed any more', async () => {
  const [batch, other] = [await sentBatch(1), await sentBatch(1)];
  const kept = keeper().keep(batch);
  const alsoKept = keeper().keep(other);
  onTestFinished(alsoKept.letGo);
  await renewals(batch, 1);
  kept.letGo();
  await renewals(other, 1);
  const last = await claimedUntil(batch);
  await renewals(other, 3);
  expect(await claimedUntil(batch)).toBe(last);
  expect(kept.signal.aborted).toBe(false);
});

test.each([
  'update batch set token = token + 1 where id = $1',
  `update batch set state = 'ended', ended_at = now() where id = $1`,
])('a claim that is somebody else’s now, or over, aborts its call: %s', async (statement) => {
  const batch = await sentBatch(1);
  const kept = keeper().keep(batch);
  onTestFinished(kept.letGo);
  await renewals(batch, 1);
  await fleet.run(statement, [batch.id]);
  const reason = await until('the signal', async () =>
    kept.signal.aborted ? kept.signal.reason : undefined,
  );
  expect(reason).toEqual(new Error('the batch was claimed elsewhere'));
});

test('a renewal that got no answer decides nothing', async () => {
  const batch = await sentBatch(1);
  let failures = 0;
  const kept = keeper(async (act) => {
    failures += 1;
    if (failures <= 3) throw new Error('PostgreSQL is away');
    return storage.store.renewBatch(act);
  }).keep(batch);
  onTestFinished(kept.letGo);
  await renewals(batch, 1);
  expect([failures, kept.signal.aborted]).toEqual([4, false]);
});
