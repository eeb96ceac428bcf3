import { HANDED_OVER_MS, isHandedOver, type Step, stepsOwed } from '../../fleet/lifecycle.ts';
import type { Bell } from '../../fleet/outbox.ts';
import type { MachineJob } from '../../fleet/ports.ts';
import { queueOf } from './queue-names.ts';
import type { Queues } from './queues.ts';
import type { Work } from './worker-table.ts';

const WAKE_AGAIN_MS = 25;
const WAKE_TRIES = 400;

/** Adds what bells ask for, as the publisher does it; answers the ones to try again, and when. */
export function publish(queues: Queues, bells: readonly Bell[], now: Date): ReadonlyMap<number, Date> {
  const again = new Map<number, Date>();
  for (const bell of bells) {
    switch (bell.kind) {
      case 'flow':
        addFlow(queues, bell);
        break;
      case 'step':
        addStep(queues, bell);
        break;
      case 'batch':
        addBatch(queues, { batch: bell.batch, ring: bell.ring, delayMs: 0 });
        break;
      case 'wake':
        if (!wake(queues, bell)) again.set(bell.id, new Date(now.getTime() + WAKE_AGAIN_MS));
    }
  }
  return again;
}

/** The steps an intent still owes, each waiting for the one before it. */
function addFlow(queues: Queues, bell: Extract<Bell, { kind: 'flow' }>): void {
  const { machine, intent, pool } = bell;
  const steps = stepsOwed(bell.state, bell.intentKind);
  for (const [index, step] of steps.entries()) {
    const [before, after] = [steps[index - 1], steps[index + 1]];
    queues.add({
      ...{ id: `${step}.${intent}.0`, queue: step, work: workOf(step, { machine, intent, pool, ring: 0 }) },
      ...(before !== undefined && { waitsFor: [`${before}.${intent}.0`] }),
      ...(isHandedOver(step, before) && { delayMs: HANDED_OVER_MS }),
      ...(after !== undefined && { parent: `${after}.${intent}.0` }),
    });
  }
}

function addStep(queues: Queues, bell: Extract<Bell, { kind: 'step' }>): void {
  const { machine, intent, pool, ring, step } = bell;
  const work = workOf(step, { machine, intent, pool, ring });
  queues.add({ id: `${step}.${intent}.${ring}`, queue: step, work });
}

function workOf(step: Step, job: MachineJob): Work {
  return ({ workers, ports, signal }) => workers[step](ports, job, signal);
}

export function addBatch(queues: Queues, job: { batch: string; ring: number; delayMs: number }): void {
  const { batch, ring, delayMs } = job;
  const work: Work = ({ workers, ports, signal }) => workers.batch(ports, { batch }, signal);
  queues.add({ id: `batch.${batch}.${ring}`, queue: 'batch', work, delayMs });
}

/** Once, however often it is asked; asked for while it runs, once more after that. */
export function addScale(queues: Queues, pool: string): void {
  const id = `scale.${pool}`;
  const known = queues.jobs.get(id);
  if (known?.state === 'active') known.again = true;
  if (known?.state === 'completed' || known?.state === 'failed') queues.remove(id);
  const work: Work = ({ workers, ports, signal }) => workers.scale(ports, { pool }, signal);
  queues.add({ id, queue: 'scale', work });
}

export function addReconcile(queues: Queues, round: number): void {
  const work: Work = ({ workers, ports, signal }) => workers.reconcile(ports, { round }, signal);
  queues.add({ id: `reconcile.${round}`, queue: 'reconcile', work });
}

/** True when there is nothing left to do: the job was delayed and runs now, or it waits for nothing, or is gone. */
function wake(queues: Queues, bell: Extract<Bell, { kind: 'wake' }>): boolean {
  if (queueOf(bell.job) === undefined) return true;
  if (queues.isBusy(bell.job)) return bell.tries >= WAKE_TRIES;
  queues.promote(bell.job);
  return true;
}
