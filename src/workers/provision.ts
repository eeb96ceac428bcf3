import { matchPool } from '../fleet/leasing.ts';
import type { Outcome } from '../fleet/ports.ts';
import type { Verb } from '../fleet/provider.ts';
import type { Machine } from '../fleet/store.ts';
import { afterRefusal, claimUntil, createStep, joinBatch, later, type StepJob } from './step.ts';

/** Everything that leads to ready: a launch, a start from parked, a reset; and then the readiness probe. */
export const provision = createStep('provision', provisionMachine);

async function provisionMachine(on: StepJob): Promise<Outcome> {
  const { ports } = on;
  const claim = await ports.store.claim({ ...on.act(), step: 'provision', until: claimUntil(ports) });
  if (claim.granted) return joinBatch(on, claim.machine, verbFor(claim.machine));
  const { machine } = claim;
  if (machine !== undefined && awaitsProbe(machine)) return probe(on, machine);
  return afterRefusal(on, machine);
}

function verbFor(machine: Machine): Verb {
  if (machine.state === 'requested') return 'launch';
  return machine.state === 'resetting' ? 'reset' : 'start';
}

function awaitsProbe(machine: Machine): boolean {
  return (
    machine.state === 'booting' && machine.owed === 'provision' && machine.batch === null && !machine.halted
  );
}

/** Asking a guest twice harms nobody; becoming ready is guarded by the token the machine was seen with. */
async function probe(on: StepJob, machine: Machine): Promise<Outcome> {
  const { ports, pool } = on;
  const answers =
    machine.address !== null && (await ports.prober.probe(machine.address, pool.probe, on.signal));
  if (!answers)
    return later(
      ports,
      pool.probe.kind === 'none' ? 1000 : pool.probe.intervalMs,
      'its guest does not answer yet',
    );
  const ready = await ports.store.becomeReady({ ...on.act(), token: machine.token });
  if (!ready.granted) return afterRefusal(on, ready.machine);
  await matchPool(ports, { pool, by: on.id });
  return { kind: 'done' };
}
