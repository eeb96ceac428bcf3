import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, claimUntil, createStep, joinBatch, type StepJob } from './step.ts';

/** Has a machine's instance deleted; the machine is deleted once the cloud says that everything of it is gone. */
export const deletes = createStep('delete', deleteMachine);

async function deleteMachine(on: StepJob): Promise<Outcome> {
  const machine = await on.ports.store.look(on.job.machine);
  if (machine?.owed !== 'delete') return afterRefusal(on, machine);
  return machine.instance === null ? deleteNothing(on) : joinBatch(on, machine, 'delete');
}

/** Nothing was ever made for it; what a launch still in flight may make is that batch's surplus. */
async function deleteNothing(on: StepJob): Promise<Outcome> {
  const { store } = on.ports;
  const claim = await store.claim({ ...on.act(), step: 'delete', until: claimUntil(on.ports) });
  if (!claim.granted) return afterRefusal(on, claim.machine);
  const finished = await store.finish({ ...on.act(), step: 'delete', token: claim.machine.token });
  return finished.granted ? { kind: 'done' } : afterRefusal(on, finished.machine);
}
