import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, claimUntil, createStep, joinBatch, type StepJob } from './step.ts';

/** Has a machine's instance deleted; the machine is deleted once the cloud says that everything of it is gone. */
export const deletes = createStep('delete', deleteMachine);

async function deleteMachine(on: StepJob): Promise<Outcome> {
  const { ports } = on;
  const claim = await ports.store.claim({ ...on.act(), step: 'delete', until: claimUntil(ports) });
  if (!claim.granted) return afterRefusal(on, claim.machine);
  const { machine } = claim;
  if (machine.instance !== null) return joinBatch(on, machine, 'delete');
  // Nothing was ever made for it; what a launch still in flight may make is that batch's surplus.
  const finished = await ports.store.finish({ ...on.act(), step: 'delete', token: machine.token });
  return finished.granted ? { kind: 'done' } : afterRefusal(on, finished.machine);
}
