import { addReconcile, addScale } from '../queues/publish.ts';
import { createCalledStore } from '../called-store.ts';
import type { Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';

/** Asks for a reconcile round in each slot of time; the slot is the job's id, so that processes ask for one together. */
export function startPulse(world: RunWorld, process: Process): void {
  const { scheduler, plan } = world;
  const everyMs = plan.settings.reconcileMs;
  const store = createCalledStore(world, process);
  const beat = async (): Promise<void> => {
    const round = Math.floor(scheduler.nowMs() / everyMs);
    const add = (): void => addReconcile(world.queues, round);
    await scheduler.call(process, { label: `adds reconcile.${round}`, run: add });
    const pools = await store.pools();
    const scale = (): void => pools.forEach((pool) => addScale(world.queues, pool.name));
    await scheduler.call(process, { label: 'adds scale for all pools', run: scale });
  };
  const tick = (): void => {
    void beat();
    scheduler.timer(process, everyMs, { label: `${process.name} beats`, fire: tick });
  };
  scheduler.timer(process, world.random.between(1, everyMs), { label: `${process.name} beats`, fire: tick });
}
