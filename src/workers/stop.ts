import type { Outcome } from '../fleet/ports.ts';
import { afterRefusal, claimUntil, createStep, joinBatch, type StepJob } from './step.ts';

/** Ends the user's work on a machine, as its pool's `halt` says. */
export const stop = createStep('stop', stopMachine);

async function stopMachine(on: StepJob): Promise<Outcome> {
  const { ports, pool } = on;
  const claim = await ports.store.claim({ ...on.act(), step: 'stop', until: claimUntil(ports) });
  if (!claim.granted) return afterRefusal(on, claim.machine);
  const { machine } = claim;
  // What is parked rests powered off, whatever its pool does between uses.
  const isHalted = pool.halt === 'power-off' || machine.intentKind === 'park';
  if (isHalted && machine.instance !== null) return joinBatch(on, machine, 'stop');
  const finished = await ports.store.finish({ ...on.act(), step: 'stop', token: machine.token });
  return finished.granted ? { kind: 'done' } : afterRefusal(on, finished.machine);
}
