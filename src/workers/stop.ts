import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, createStep, joinBatch, type StepJob } from './step.ts';

/** Ends the user's work on a machine, as its pool's `halt` says. */
export const stop = createStep('stop', stopMachine);

async function stopMachine(on: StepJob): Promise<Outcome> {
  const { ports, pool, job } = on;
  if (pool.halt === 'none') {
    const finished = await ports.store.finish({ ...on.act(), step: 'stop', token: null });
    if (finished.granted) return { kind: 'done' };
  }
  // What is to be parked rests powered off, whatever its pool does between uses.
  const machine = await ports.store.look(job.machine);
  return machine?.owed === 'stop' ? joinBatch(on, machine, 'stop') : afterRefusal(on, machine);
}
