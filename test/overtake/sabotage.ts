import { FlowProducer, type Job, type JobsOptions } from 'bullmq';
import { expect } from 'vitest';
import type { Lease } from '../../src/fleet/pool.ts';
import type { Machine } from '../../src/fleet/store.ts';
import type { Fleet } from '../support/fleet.ts';

export interface Ending {
  lease: Lease;
  machine: Machine;
  intent: string;
  /** Lets the release go on. */
  letRelease(): Promise<void>;
}

/**
 * Ends a lease whose release is late: its job waits in a paused queue, and whoever is rung in its place waits for a
 * lock on the lease's row. The machine has been stopped; its delete waits in its flow.
 */
export async function endWithLateRelease(fleet: Fleet): Promise<Ending> {
  await fleet.queue('release').pause();
  const ending = await endAndHold(fleet);
  await fleet.untilMachine(ending.machine.id, 'stopped');
  await fleet.untilJob('release', `release.${ending.intent}.0`, 'waiting');
  await fleet.untilJob('delete', `delete.${ending.intent}.0`, 'waiting-children');
  return {
    ...ending,
    async letRelease() {
      await fleet.queue('release').resume();
      await ending.letRelease();
    },
  };
}

/** Ends a lease whose release is late, and replaces the flow of its intent by one whose release fails for good. */
export async function endWithWrongFlow(
  fleet: Fleet,
  options: Pick<JobsOptions, 'removeOnFail'> & Record<string, unknown>,
): Promise<Ending> {
  await fleet.queue('stop').pause();
  const ending = await endAndHold(fleet);
  const { machine, intent } = ending;
  const ours = await fleet.untilJob('delete', `delete.${intent}.0`, 'waiting-children');
  await ours.remove();
  await publish(fleet, { machine, intent, options });
  await fleet.queue('stop').resume();
  return ending;
}

async function endAndHold(fleet: Fleet): Promise<Ending> {
  const { lease, machine } = await fleet.leaseAMachine();
  await fleet.endLease(lease);
  const { unlock } = await fleet.lockLease(lease);
  const ended = await fleet.store.look(machine.id);
  expect(ended).toMatchObject({ lease: lease.id, intentKind: 'retire' });
  return { lease, machine, intent: ended?.intent ?? '', letRelease: unlock };
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
 * The way round has worked: BullMQ has run the delete's processor although the machine was never released. It found
 * that the machine owes something else, and did nothing.
 */
export async function expectDeleteRan(fleet: Fleet, { intent }: Pick<Ending, 'intent'>): Promise<void> {
  const job = await fleet.untilJob('delete', `delete.${intent}.0`, 'completed');
  expect(job.returnvalue).toEqual({ kind: 'done', note: 'nothing to do: stopped owes release' });
}

/** Has the database refuse every write of this kind, as an operator's mistake would; the answer mends it. */
export async function refuse(
  fleet: Fleet,
  table: 'machine' | 'lease',
  rule: string,
): Promise<() => Promise<void>> {
  await fleet.sql(`alter table ${table} add constraint refused check (${rule}) not valid`);
  return async () => void (await fleet.sql(`alter table ${table} drop constraint refused`));
}

export async function jobOf(fleet: Fleet, step: 'stop' | 'release' | 'delete', intent: string): Promise<Job> {
  const job = (await fleet.queue(step).getJob(`${step}.${intent}.0`)) as Job | undefined;
  if (job === undefined) throw new Error(`there is no ${step} job of intent ${intent}`);
  return job;
}
