import { afterEach, describe, expect, it } from 'vitest';
import type { Freezable } from '../../../src/fleet/brakes.ts';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function freezeContract(given: Given): void {
  describe('a freeze', () => {
    // It is the whole fleet's, and so every other test's.
    afterEach(() => set(given(), ['launch', 'delete'], false));

    it('of launches keeps their batches open, and no others', async () => {
      const on = given();
      const deletion = await opened(on, 'delete');
      const launch = await opened(on, 'launch');
      await set(on, ['launch'], true);
      expect(await close(on, launch.batch)).toBeUndefined();
      expect(await on.store.lookBatch(launch.batch)).toMatchObject({ state: 'open' });
      expect(await on.states(launch.machine)).toEqual(['requested']);
      expect(await close(on, deletion.batch)).toMatchObject({ state: 'closed' });
      await set(on, ['launch'], false);
      expect(await close(on, launch.batch)).toMatchObject({ state: 'closed' });
    });

    it('of deletions keeps theirs open, and no others', async () => {
      const on = given();
      const deletion = await opened(on, 'delete');
      const launch = await opened(on, 'launch');
      await set(on, ['delete'], true);
      expect(await close(on, deletion.batch)).toBeUndefined();
      expect(await close(on, launch.batch)).toMatchObject({ state: 'closed' });
    });

    it('of deletions answers no left-over to be deleted, until it is over', async () => {
      const on = given();
      await on.apply();
      const leftOvers = [{ kind: 'disk', id: `vol-${on.newId()}` }] as const;
      const sweep = () => on.swept([], { leftOvers, graceMs: 0 });
      await sweep();
      await set(on, ['delete'], true);
      expect(await sweep()).toMatchObject({ verdict: 'go', leftOvers: [] });
      await set(on, ['delete'], false);
      expect((await sweep()).leftOvers).toEqual(leftOvers);
    });

    it('leaves a batch that was closed before to be answered for', async () => {
      const on = given();
      const { machine, batch } = await opened(on, 'launch');
      const closed = await close(on, batch);
      await set(on, ['launch'], true);
      if (closed === undefined) throw new Error('the batch could not be closed');
      await on.record(closed, {
        launched: [{ instance: `i-${machine}`, state: 'running', address: '10.0.0.1' }],
      });
      expect(await on.states(machine)).toEqual(['booting']);
    });

    it('that outlasts a deadline has the machine join its batch once more, and its call sent in the end', async () => {
      const on = given();
      const lane = on.newId();
      const { machine, batch } = await opened(on, 'delete', lane);
      await set(on, ['delete'], true);
      expect(await on.recover(machine)).toMatchObject({
        granted: true,
        machine: { batch: null, owed: 'delete' },
      });
      const again = await on.store.join(on.joinAct(await on.seen(machine), 'delete', lane));
      expect(again.batch?.id).toBe(batch);
      await set(on, ['delete'], false);
      expect(await close(on, batch)).toMatchObject({ members: [{ machine }], pending: [machine] });
    });

    it('tells since when, and by whom it was set first', async () => {
      const on = given();
      const since = on.now();
      const frozen = [{ verb: 'launch', since, by: 'ada' }];
      expect(await set(on, ['launch'], true)).toEqual(frozen);
      on.pass(1000);
      const again = { verbs: ['launch', 'delete'], frozen: true, by: 'grace', now: on.now() } as const;
      const both = [...frozen, { verb: 'delete', since: on.now(), by: 'grace' }];
      expect(await on.store.setFreeze(again)).toEqual(both);
      expect(await on.store.freezes()).toEqual(both);
      expect(await set(on, ['launch'], false)).toEqual(both.slice(1));
    });

    it('set while batches are being closed is seen by each of them, or comes after it', async () => {
      const on = given();
      const batches = [];
      for (let made = 0; made < 6; made += 1) batches.push((await opened(on, 'launch')).batch);
      await Promise.all([...batches.map((batch) => close(on, batch)), set(on, ['launch'], true)]);
      const open = [];
      for (const batch of batches) if ((await on.store.lookBatch(batch))?.state === 'open') open.push(batch);
      for (const batch of open) expect(await close(on, batch)).toBeUndefined();
    });
  });
}

function set(on: Driver, verbs: readonly Freezable[], frozen: boolean) {
  return on.store.setFreeze({ verbs, frozen, by: 'ada', now: on.now() });
}

function close(on: Driver, batch: string) {
  return on.store.closeBatch({ batch, by: 'lane', now: on.now(), until: on.later(10_000) });
}

/** A machine in an open batch of its own. */
async function opened(
  on: Driver,
  verb: Freezable,
  lane = on.newId(),
): Promise<{ machine: string; batch: string }> {
  const machine =
    verb === 'delete'
      ? await on.deleting()
      : await on.wished().then(([id = '']) => on.claimed(id, 'provision'));
  const joined = await on.store.join(on.joinAct(machine, verb, lane));
  return { machine: machine.id, batch: joined.batch?.id ?? '' };
}
