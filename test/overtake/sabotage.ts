import { type FlowJob, FlowProducer, type Job } from 'bullmq';
import { expect } from 'vitest';
import type { Lease } from '../../src/fleet/pool.ts';
import type { Machine } from '../../src/fleet/store.ts';
import type { Fleet } from '../support/fleet.ts';

export interface Ended {
  lease: Lease;
  machine: Machine;
  intent: string;
}

/**
 * Ends a lease whose release is late: its job waits in a paused queue, and whoever is rung in its place waits for a
 * lock on the lease's row. The machine has been stopped; its delete waits in its flow.
 */
export async function endWithLateRelease(fleet: Fleet): Promise<Ended & { letRelease: () => Promise<void> }> {
  await fleet.queue('release').pause();
  const ended = await end(fleet);
  const { unlock } = await fleet.lockLease(ended.lease);
  await fleet.untilMachine(ended.machine.id, 'stopped');
  await fleet.untilJob('release', `release.${ended.intent}.0`, 'waiting');
  await fleet.untilJob('delete', `delete.${ended.intent}.0`, 'waiting-children');
  return {
    ...ended,
    async letRelease() {
      await fleet.queue('release').resume();
      await unlock();
    },
  };
}

/** Ends a lease, and replaces the flow of its intent by one whose release fails for good. */
export async function endWithWrongFlow(fleet: Fleet, options: Record<string, unknown>): Promise<Ended> {
  await fleet.queue('stop').pause();
  const ended = await end(fleet);
  const ours = await fleet.untilJob('delete', `delete.${ended.intent}.0`, 'waiting-children');
  await ours.remove();
  await publish(fleet, { machine: ended.machine, intent: ended.intent, options });
  await fleet.queue('stop').resume();
  return ended;
}

/** Ends a lease on a machine that is to be deleted after it. */
export async function end(fleet: Fleet): Promise<Ended> {
  const { lease, machine } = await fleet.leaseAMachine();
  await fleet.endLease(lease);
  const ended = await fleet.store.look(machine.id);
  expect(ended).toMatchObject({ lease: lease.id, intentKind: 'retire' });
  return { lease, machine, intent: ended?.intent ?? '' };
}

/** The three steps as a program would publish them that gets its options wrong; nobody knows the release's pool. */
async function publish(
  fleet: Fleet,
  flow: { machine: Machine; intent: string; options: Record<string, unknown> },
): Promise<void> {
  const data = { machine: flow.machine.id, intent: flow.intent, pool: flow.machine.pool, ring: 0 };
  const node = (name: string, more: object) => ({ name, queueName: name, data, ...more });
  const id = (step: string) => ({ jobId: `${step}.${flow.intent}.0` });
  const stop = node('stop', { opts: { ...id('stop'), failParentOnFailure: true } });
  const release = node('release', {
    data: { ...data, pool: 'nowhere' },
    opts: { ...id('release'), ...flow.options },
    children: [stop],
  });
  const producer = new FlowProducer(fleet.bullmq);
  await producer.add(node('delete', { opts: id('delete'), children: [release] }));
  await producer.close();
}

/**
 * What the delete of an intent answered once BullMQ had run it. Where that is `TOO_EARLY` the way round has worked:
 * it ran although its machine was never released, found that the machine owes something else, and did nothing.
 */
export async function resultOfDelete(fleet: Fleet, { intent }: Pick<Ended, 'intent'>): Promise<unknown> {
  return (await fleet.untilJob('delete', `delete.${intent}.0`, 'completed')).returnvalue;
}

export const TOO_EARLY = { kind: 'done', note: 'nothing to do: stopped owes release' };

/** Has the database refuse every release, as an operator's mistake would; the answer mends it. */
export const refuseReleases = (fleet: Fleet) => refuse(fleet, 'lease', 'ended_at is null');

export const refuseStops = (fleet: Fleet) => refuse(fleet, 'machine', `state <> 'stopping'`);

async function refuse(fleet: Fleet, table: 'machine' | 'lease', rule: string): Promise<() => Promise<void>> {
  await fleet.sql(`alter table ${table} add constraint refused check (${rule}) not valid`);
  return async () => void (await fleet.sql(`alter table ${table} drop constraint refused`));
}

export async function jobOf(fleet: Fleet, step: 'stop' | 'release' | 'delete', intent: string): Promise<Job> {
  const job = (await fleet.queue(step).getJob(`${step}.${intent}.0`)) as Job | undefined;
  if (job === undefined) throw new Error(`there is no ${step} job of intent ${intent}`);
  return job;
}

/** One step once more, as a single job of its own. */
export async function deliverAgain(
  fleet: Fleet,
  { machine, intent }: Pick<Ended, 'machine' | 'intent'>,
  { step, ring }: { step: 'stop' | 'release' | 'delete'; ring: number },
): Promise<string> {
  const jobId = `${step}.${intent}.${ring}`;
  await fleet.queue(step).add(step, { machine: machine.id, intent, pool: machine.pool, ring }, { jobId });
  return jobId;
}

/** A second flow of the same steps, for the same machine, under other ids. */
export async function publishAgain(
  fleet: Fleet,
  { machine, intent }: Pick<Ended, 'machine' | 'intent'>,
  ring: number,
): Promise<void> {
  const data = { machine: machine.id, intent, pool: machine.pool, ring };
  const node = (name: string, ...children: FlowJob[]): FlowJob => {
    const opts = { jobId: `${name}.${intent}.${ring}`, failParentOnFailure: name !== 'delete' };
    return { name, queueName: name, data, opts, children };
  };
  const producer = new FlowProducer(fleet.bullmq);
  await producer.add(node('delete', node('release', node('stop'))));
  await producer.close();
}
