import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEADLINES_DEFAULT } from '../../src/fleet/pool.ts';
import { expectReleasedThenDeleted } from '../overtake/promise.ts';
import { end } from '../overtake/sabotage.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet.stop());

test('a released machine is claimed for its deletion by whoever released it, before any job of the deletion runs', async () => {
  await fleet.queue('delete').pause();
  const ended = await end(fleet);
  await expectReleasedThenDeleted(fleet, ended);
  const claim = await fleet.sql(
    `select by, token from transition where entity = 'machine' and machine_id = $1 and to_state = 'deleting'
      order by seq limit 1`,
    [ended.machine.id],
  );
  expect(claim).toMatchObject([{ by: `delete.${ended.intent}.0` }]);
  await fleet.queue('delete').resume();
  const job = await fleet.untilJob('delete', `delete.${ended.intent}.0`, 'completed');
  expect(job.returnvalue).toEqual({ kind: 'done', note: 'nothing to do: deleted owes nothing' });
});

test('a machine that somebody released and left at that is claimed by the job of its deletion', async () => {
  await fleet.queue('release').pause();
  const ended = await end(fleet);
  const stopped = await fleet.untilMachine(ended.machine.id, 'stopped');
  const act = { machine: stopped.id, by: 'elsewhere', now: new Date(), deadlines: DEADLINES_DEFAULT };
  expect(await fleet.store.release(act)).toMatchObject({ granted: true, machine: { owed: 'delete' } });
  await fleet.queue('release').resume();
  await expectReleasedThenDeleted(fleet, ended);
});
