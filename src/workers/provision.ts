import { matchPool } from '../fleet/leasing.ts';
import type { Outcome } from '../fleet/ports.ts';
import type { Verb } from '../fleet/provider.ts';
import type { Machine } from '../fleet/store.ts';
import { afterRefusal, createStep, joinBatch, later, type StepJob } from './step.ts';

/** Everything that leads to ready: a launch, a start from parked, a reset; and then the readiness probe. */
export const provision = createStep('provision', provisionMachine);

async function provisionMachine(on: StepJob): Promise<Outcome> {
  const machine = await on.ports.store.look(on.job.machine);
  if (machine?.owed !== 'provision') return afterRefusal(on, machine);
  return awaitsProbe(machine) ? probe(on, machine) : joinBatch(on, machine, verbFor(machine));
}

function verbFor(machine: Machine): Verb {
  if (machine.state === 'requested') return 'launch';
  return machine.state === 'booting' || (machine.state === 'parked' && machine.clean) ? 'start' : 'reset';
}

function awaitsProbe(machine: Machine): boolean {
  return machine.state === 'booting' && machine.batch === null && !machine.halted;
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
