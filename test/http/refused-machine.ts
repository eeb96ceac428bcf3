import type { Pool } from '../../src/fleet/pool.ts';
import type { Batch, Machine } from '../../src/fleet/store.ts';
import type { Fleet } from './fleet-server.ts';

/** A machine that is to be deleted. */
export async function addRetiredMachine(fleet: Fleet, pool: Pool): Promise<Machine> {
  const machine = await fleet.addReadyMachine(pool);
  const act = { machine: machine.id, by: 'test', now: new Date(), deadlines: {}, reason: 'test' };
  await fleet.store.openIntent({ ...act, outcome: 'cancelled', kind: 'retire' });
  return machine;
}

/** Has a machine join a batch of deletions; answers the batch's id. */
export async function joinDeletion(fleet: Fleet, pool: Pool, at: { machine: string; now: Date }) {
  const [placement] = pool.placements;
  if (placement === undefined) throw new Error('the pool has no placement');
  const { machine, now } = at;
  const until = new Date(now.getTime() + 60_000);
  const act = { machine, by: 'test', now, deadlines: {}, step: 'delete', until } as const;
  const into = { verb: 'delete', lane: machine, group: 'all', placement, closeAt: now, size: 9 } as const;
  const { batch } = await fleet.store.join({ ...act, ...into });
  if (batch === undefined) throw new Error('the machine could not join');
  return batch.id;
}

/** A machine whose cloud has refused to delete it, at `now`. */
export async function addRefusedMachine(
  fleet: Fleet,
  pool: Pool,
  { failure, now }: { failure: string; now: Date },
): Promise<Machine> {
  const machine = await addRetiredMachine(fleet, pool);
  const batch = await joinDeletion(fleet, pool, { machine: machine.id, now });
  const until = new Date(now.getTime() + 60_000);
  const closed: Batch | undefined = await fleet.store.closeBatch({ batch, by: 'test', now, until });
  const act = { batch, token: closed?.token ?? -1, failure, by: 'test', now, pools: [pool] };
  if (!(await fleet.store.failBatch(act))) throw new Error('the batch was not sent');
  return machine;
}
