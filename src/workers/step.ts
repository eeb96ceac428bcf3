import type { Step } from '../fleet/lifecycle.ts';
import { placementOf, type Pool } from '../fleet/pool.ts';
import { FleetError } from '../fleet/errors.ts';
import type { MachineJob, Outcome, Ports, Worker } from '../fleet/ports.ts';
import type { Verb } from '../fleet/provider.ts';
import type { Act, Changed, JoinAnswer, Machine } from '../fleet/store.ts';

/** How soon a job that finds its machine locked comes back. */
const LOCKED_MS = 100;
/** A job that waits for a batch looks for itself this often, in case its wake was lost. */
const BATCH_LOOK_MS = 60_000;

/** What a step's worker is given: its job, its pool's rules, and the act that every write of it carries. */
export interface StepJob {
  ports: Ports;
  job: MachineJob;
  step: Step;
  pool: Pool;
  /** This job's id, as the queues know it. */
  id: string;
  signal: AbortSignal;
  act(): Act;
}

/**
 * Runs one step under its machine's lock. The lock only spares work: what keeps two workers apart is the claim that
 * the step makes in the store.
 */
export function createStep(step: Step, run: (on: StepJob) => Promise<Outcome>): Worker<MachineJob> {
  return async (ports, job, signal) => {
    const lock = await ports.locks.lock(job.machine);
    if (lock === undefined) return later(ports, LOCKED_MS, 'its machine is locked');
    try {
      const pool = await poolOf(ports, job.pool);
      const id = `${step}.${job.intent}.${job.ring}`;
      const act = (): Act => ({
        machine: job.machine,
        by: id,
        now: ports.clock.now(),
        deadlines: pool.deadlines,
      });
      return await run({
        ...{ ports, job, step, pool, id, act },
        // Made where it is asked for: most steps have nothing to call off.
        get signal() {
          return AbortSignal.any([signal, lock.signal]);
        },
      });
    } finally {
      await lock.unlock();
    }
  };
}

export function later(ports: Ports, inMs: number, why: string): Outcome {
  return { kind: 'later', until: new Date(ports.clock.now().getTime() + inMs), why };
}

async function poolOf(ports: Ports, name: string): Promise<Pool> {
  const pool = await ports.pool(name);
  if (pool !== undefined) return pool;
  throw new FleetError(`there is no pool ${name}`, { code: 'invalid', remedy: 'give-up' });
}

/**
 * What a job does whose claim was refused, by what stands in its machine's row: a step that is done, or that is not
 * owed any more, is no failure; one that somebody else is doing is waited for by the flow's job and left by a ring.
 */
export function afterRefusal(on: StepJob, machine: Machine | undefined): Outcome {
  const { step } = on;
  if (machine === undefined) return { kind: 'done', note: 'its machine is gone' };
  if (machine.owed !== step)
    return { kind: 'done', note: `nothing to do: ${machine.state} owes ${machine.owed ?? 'nothing'}` };
  return whileOwed(on, machine);
}

function whileOwed(on: StepJob, machine: Machine): Outcome {
  const { ports, job } = on;
  const isWaitedFor = machine.claimedBy === on.id || (job.ring === 0 && machine.intent === job.intent);
  if (machine.batch !== null) {
    return isWaitedFor ? later(ports, BATCH_LOOK_MS, 'in a batch') : { kind: 'done', note: 'in a batch' };
  }
  const { claimedUntil } = machine;
  if (claimedUntil !== null && claimedUntil > ports.clock.now()) {
    return isWaitedFor
      ? { kind: 'later', until: claimedUntil, why: 'being done, or set aside' }
      : { kind: 'done', note: 'being done elsewhere' };
  }
  return { kind: 'refused', why: `${machine.state} with ${machine.intentKind ?? 'no intent'}` };
}

/** Claims a machine into the batch of its lane, and puts the job to sleep until the batch tells its outcome. */
export async function joinBatch(on: StepJob, machine: Machine, verb: Verb): Promise<Outcome> {
  if (machine.batch !== null) return afterRefusal(on, machine);
  const joined = await claimInto(on, machine.placement, verb);
  if (!joined.granted) return afterRefusal(on, joined.machine);
  return later(on.ports, BATCH_LOOK_MS, `in batch ${joined.batch.id}`);
}

/**
 * Claims a released machine for its deletion, for the job that waits for it, which then has no more to do than to find
 * it done. Where that fails nothing is lost: the job claims it itself.
 */
export async function handOver(on: StepJob, released: Changed): Promise<void> {
  const { owed, intent, placement, instance } = released;
  if (owed !== 'delete' || instance === null) return;
  const by = `${owed}.${intent}.0`;
  const { ports, pool } = on;
  const next = { ports, pool, step: owed, act: () => ({ ...on.act(), by }) };
  try {
    await claimInto(next, placement, 'delete');
  } catch (err) {
    ports.log.warn(
      { err, job: by },
      'a released machine was not claimed for its deletion; its job will do it',
    );
  }
}

async function claimInto(
  on: Pick<StepJob, 'ports' | 'pool' | 'step' | 'act'>,
  machinePlacement: string,
  verb: Verb,
): Promise<JoinAnswer> {
  const { ports, pool, step } = on;
  const placement = placementOf(pool, machinePlacement);
  if (placement === undefined) {
    const message = `pool ${pool.name} knows no placement ${machinePlacement}; name it again in the pools file`;
    throw new FleetError(message, { code: 'invalid', remedy: 'retry-later' });
  }
  const provider = ports.provider(placement);
  const { lane, group } = provider.lane(verb, placement);
  const size = provider.capabilities.batchSizes[verb];
  const act = on.act();
  const closeAt = new Date(act.now.getTime() + ports.settings.windowMs);
  const joined = await ports.store.join({
    ...act,
    ...{ step, until: claimUntil(ports), verb, lane, group, placement, closeAt, size },
  });
  // Lost between the two, reconcile finds the batch without a job.
  if (joined.batch?.opened === true) await ports.jobs.batch(joined.batch.id, joined.batch.closeAt);
  return joined;
}

/** When a claim made now runs out. */
export function claimUntil(ports: Ports): Date {
  return new Date(ports.clock.now().getTime() + ports.settings.claimMs);
}
