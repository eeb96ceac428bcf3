import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, createStep, type StepJob } from './step.ts';

/** Ends the lease and frees its machine for what comes next, in one commit. */
export const release = createStep('release', releaseMachine);

async function releaseMachine(on: StepJob): Promise<Outcome> {
  const released = await on.ports.store.release(on.act());
  return released.granted ? { kind: 'done' } : afterRefusal(on, released.machine);
}
