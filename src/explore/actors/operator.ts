import { amountOf } from '../../fleet/brakes.ts';
import type { RunWorld } from '../world.ts';
import type { Api } from './api.ts';

const LOOKS_EVERY_MS = 20_000;

/** Somebody who reads the alarms once it is quiet: a halted sweep waits for a word of theirs, for ever without one. */
export function startOperator(world: RunWorld, api: Api): void {
  const confirmHalted = async (): Promise<void> => {
    const now = world.scheduler.clock.now();
    const halted = await api.ask((_leasing, store) => store.haltedSweeps());
    for (const { pool, placement, counts } of halted) {
      const act = { pool, placement, count: amountOf(counts), by: 'operator', now };
      await api.ask((_leasing, store) => store.confirmSweep(act));
    }
  };
  const look = (): void => {
    // A connection that breaks: it is looked at again.
    void confirmHalted().catch(() => undefined);
    world.scheduler.timer(null, LOOKS_EVERY_MS, { label: 'the operator looks', fire: look });
  };
  look();
}
