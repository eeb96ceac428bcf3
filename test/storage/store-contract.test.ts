import { randomUUID } from 'node:crypto';
import { createStorage } from '../../src/storage/storage.ts';
import { defineStoreContract } from '../contracts/store-contract.ts';
import { createTestDatabase } from '../support/services.ts';

defineStoreContract('PostgreSQL', async () => {
  const database = await createTestDatabase();
  const { store, outbox, views, close } = await createStorage({ url: database.url });
  return {
    ...{ store, outbox, newId: randomUUID },
    living: async (pool) =>
      (await views.listMachines({ pool, state: null, setAside: null, after: null, limit: 10_000 })).items,
    async close() {
      await close();
      await database.drop();
    },
  };
});
