import type { Clock } from '../fleet/ports.ts';
import type { ExploredStore } from './explored-store.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

/** The store in memory as a run is explored over it; its tables are there to be tampered with. */
export function createExploredMemory(options: {
  clock: Clock;
  fenced: boolean;
}): ExploredStore & Pick<MemoryStore, 'tables'> {
  const newId = createIds();
  const { store, outbox, tables } = createMemoryStore({ ...options, newId });
  return {
    ...{ store, outbox, tables, newId },
    look: {
      machines: tables.machines.all,
      leases: tables.leases.all,
      batches: tables.batches.all,
      instances: () => tables.instances.all().map(({ id, goneAt }) => ({ id, isGone: goneAt !== null })),
      hasBells: () => tables.bells.all().length > 0,
    },
    refresh: () => Promise.resolve(),
    history: () => Promise.resolve(tables.history),
    close: () => Promise.resolve(),
  };
}

/** Short ids that say what they name: a trace is read by people. */
function createIds(): (kind: string) => string {
  const made = new Map<string, number>();
  return (kind) => {
    const count = (made.get(kind) ?? 0) + 1;
    made.set(kind, count);
    return `${kind.slice(0, 2)}${count}`;
  };
}
