import { describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
import type { Machine } from '../../../src/fleet/store.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

const LOCKED = new FleetError('has a lock on it', { code: 'refused', remedy: 'give-up' });

export function setAsideContract(given: Given): void {
  describe('a machine whose deletion is refused', () => {
    it('is set aside for a second, then for twice as long each time, up to ten minutes', async () => {
      const on = given();
      const { id } = await on.deleting();
      const pauses: number[] = [];
      for (let count = 1; count <= 12; count += 1) pauses.push(await pauseAfter(on, id));
      expect(pauses.map((ms) => ms / 1000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    });

    it('tells since when, how often, why and until when', async () => {
      const on = given();
      const machine = await on.deleting();
      expect(machine).toMatchObject({ refusals: 0, refusedSince: null });
      const since = on.now();
      await refuse(on, [machine.id], 'has a lock on it');
      const first = { refusals: 1, refusedSince: since, failure: 'has a lock on it' };
      const kept = { state: 'deleting', batch: null, owed: 'delete', deadlineAt: machine.deadlineAt };
      expect(await on.seen(machine.id)).toMatchObject({ ...kept, ...first, claimedUntil: on.later(1000) });
      on.pass(1000);
      await on.claimed(machine.id, 'delete');
      await refuse(on, [machine.id], 'still has a lock on it');
      const second = { refusals: 2, refusedSince: since, failure: 'still has a lock on it' };
      expect(await on.seen(machine.id)).toMatchObject({ ...second, claimedUntil: on.later(2000) });
    });

    it('is set aside no more once it is deleted', async () => {
      const on = given();
      const { id } = await on.deleting();
      on.pass(await pauseAfter(on, id));
      await on.done('delete', [await on.claimed(id, 'delete')]);
      expect(await on.seen(id)).toMatchObject({
        state: 'deleted',
        ...{ refusals: 0, refusedSince: null, failures: 0, failure: null },
      });
    });

    it('stays set aside until its pause is over, also past its deadline', async () => {
      const on = given();
      const { id } = await on.deleting();
      for (let count = 1; count <= 3; count += 1) await pauseAfter(on, id);
      await refuse(on, [id]);
      const until = on.later(8000);
      expect(await on.recover(id)).toMatchObject({ granted: true });
      expect(await on.seen(id)).toMatchObject({ refusals: 4, claimedUntil: until });
      expect((await on.claim(id, 'delete')).granted).toBe(false);
    });

    it('waits longer for earlier refusals of its own alone, not for what else went wrong', async () => {
      const on = given();
      const machine = await on.deleting();
      await on.recover(machine.id);
      await on.recover(machine.id);
      expect(await on.seen(machine.id)).toMatchObject({ failures: 2, refusals: 0 });
      expect(await pauseAfter(on, machine.id)).toBe(1000);
    });

    it('holds up none of those it was refused with, nor any that comes after', async () => {
      const on = given();
      const bad = await on.deleting();
      const good = await on.deleting();
      const both = await on.closed('delete', [bad, good]);
      await on.record(both, {
        outcomes: {
          [bad.instance ?? '']: { state: 'failed', error: LOCKED },
          [good.instance ?? '']: { state: 'done' },
        },
      });
      expect(await on.states(bad.id, good.id)).toEqual(['deleting', 'deleted']);
      const next = await on.deleting();
      await on.done('delete', [next]);
      expect(await on.states(bad.id, next.id)).toEqual(['deleting', 'deleted']);
    });
  });
}

/** Has its deletion refused once more, as soon as it may be tried; answers how long it is set aside, in milliseconds. */
async function pauseAfter(on: Driver, id: string): Promise<number> {
  const seen = await on.seen(id);
  const waitMs = (seen.claimedUntil?.getTime() ?? 0) - on.now().getTime();
  if (seen.refusals > 0 && waitMs > 0) on.pass(waitMs);
  if (seen.refusals > 0) await on.claimed(id, 'delete');
  await refuse(on, [id]);
  const pauseMs = ((await on.seen(id)).claimedUntil?.getTime() ?? 0) - on.now().getTime();
  expect((await on.claim(id, 'delete')).granted).toBe(false);
  return pauseMs;
}

async function refuse(on: Driver, ids: readonly string[], failure = 'refused'): Promise<void> {
  const machines: Machine[] = await Promise.all(ids.map((id) => on.seen(id)));
  const batch = await on.closed('delete', machines);
  const act = { batch: batch.id, token: batch.token, failure, by: 'lane', now: on.now() };
  await on.store.failBatch({ ...act, pools: await on.store.pools() });
}
