import { randomUUID } from 'node:crypto';
import type { MemoryStore } from '../../../src/explore/memory-store.ts';
import type { StoreUnderTest } from './driver.ts';

export function memoryUnderTest(memory: MemoryStore, newId: () => string = randomUUID): StoreUnderTest {
  const { store, outbox, tables } = memory;
  return {
    ...{ store, outbox, newId, close: () => Promise.resolve() },
    living: (pool) =>
      Promise.resolve(tables.machines.where((each) => each.pool === pool && each.state !== 'deleted')),
  };
}
