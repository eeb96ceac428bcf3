import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, createStep, handOver, type StepJob } from './step.ts';

/** Ends the lease and frees its machine, in one commit; then has a machine that is to be deleted go on to that. */
export const release = createStep('release', releaseMachine);

async function releaseMachine(on: StepJob): Promise<Outcome> {
  const released = await on.ports.store.release(on.act());
  if (!released.granted) return afterRefusal(on, released.machine);
  await handOver(on, released.machine);
  return { kind: 'done' };
}
