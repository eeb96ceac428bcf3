import type { Outbox } from '../fleet/outbox.ts';
import type { Clock } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import { createBatchActs } from './memory-store/batch-acts.ts';
import { createFreezeActs } from './memory-store/freeze.ts';
import { createHoursActs } from './memory-store/machine-hours.ts';
import { createLeaseActs } from './memory-store/lease-acts.ts';
import { createMachineActs } from './memory-store/machine-acts.ts';
import type { Memory } from './memory-store/memory.ts';
import { createOutbox } from './memory-store/outbox.ts';
import { createPoolActs } from './memory-store/pool-acts.ts';
import { createReconcileActs } from './memory-store/reconcile-acts.ts';
import { createTables, type Tables } from './memory-store/tables.ts';

export interface MemoryStore {
  store: Store;
  outbox: Outbox;
  tables: Tables;
}

/**
 * Store and outbox in the memory of one process, with the guards, fences and log of the real ones: every act is over
 * in one turn. It passes the real store's contract, which is what makes an exploration over it worth something.
 */
export function createMemoryStore(options: {
  clock: Clock;
  newId: Memory['newId'];
  /** False leaves out what the database refuses by itself; true unless said otherwise. */
  fenced?: boolean;
}): MemoryStore {
  const tables = createTables({ clock: options.clock, fenced: options.fenced ?? true });
  const memory: Memory = { tables, newId: options.newId };
  return {
    tables,
    outbox: createOutbox(memory),
    store: {
      ...createMachineActs(memory),
      ...createBatchActs(memory),
      ...createLeaseActs(memory),
      ...createPoolActs(memory),
      ...createReconcileActs(memory),
      ...createFreezeActs(memory),
      ...createHoursActs(memory),
    },
  };
}
