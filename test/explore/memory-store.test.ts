import { randomUUID } from 'node:crypto';
import { createMemoryStore } from '../../src/explore/memory-store.ts';
import { defineStoreContract } from '../contracts/store-contract.ts';

defineStoreContract('the store in memory', () => {
  const clock = { now: () => new Date(0) };
  const { store, outbox } = createMemoryStore({ clock, newId: () => randomUUID() });
  return Promise.resolve({ store, outbox, newId: randomUUID, close: () => Promise.resolve() });
});
