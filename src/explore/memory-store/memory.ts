import type { Tables } from './tables.ts';

/** What the acts of the store in memory work on. */
export interface Memory {
  tables: Tables;
  newId(kind: 'machine' | 'intent' | 'batch' | 'lease'): string;
}

/** Makes a port's method of an act: over in one turn, as a whole or not at all. */
export function atomic<A, R>(memory: Memory, act: (memory: Memory, act: A) => R): (act: A) => Promise<R> {
  return (given) =>
    new Promise((resolve) => {
      resolve(memory.tables.transaction(() => act(memory, given)));
    });
}
