import { randomUUID } from 'node:crypto';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Outbox } from '../fleet/outbox.ts';
import type { Store } from '../fleet/store.ts';
import type { Views } from '../fleet/views.ts';
import { createBatchActs } from './batch-acts.ts';
import { createDatabase } from './database.ts';
import { ENTITIES } from './entities.ts';
import { createFreezeActs } from './freeze.ts';
import { createHistory, type History } from './history.ts';
import { createHoursActs } from './machine-hours.ts';
import { createLeaseActs } from './lease-acts.ts';
import { createMachineActs } from './machine-acts.ts';
import { createOutbox } from './outbox.ts';
import { createPoolActs } from './pool-acts.ts';
import { createReconcileActs } from './reconcile-acts.ts';
import { createSessions, deadlines } from './session.ts';
import { createViews } from './views.ts';

export interface Storage {
  store: Store;
  outbox: Outbox;
  views: Views;
  history: History;
  /** Throws while the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

interface StorageOptions {
  url: string;
  /** Known to lead through a pooler; otherwise each connection is asked. */
  isPooled?: boolean;
  connections?: number;
  /** How long one statement may take. */
  statementTimeoutMs?: number;
  /** Names new batches: UUIDs, random ones where left out. */
  newId?: () => string;
}

/** Opens a migrated database: hot guarded writes as statements, cold paths through MikroORM's unit of work. */
export async function createStorage(options: StorageOptions): Promise<Storage> {
  const { url, isPooled = false, newId = randomUUID } = options;
  const { connections = 10, statementTimeoutMs = 30_000 } = options;
  const database = createDatabase({ url, isPooled, connections, statementTimeoutMs });
  const { onConnect } = createSessions({ statementTimeoutMs, isPooled });
  const orm = await MikroORM.init({
    clientUrl: url,
    // The unit of work keeps a connection that fell silent: none lives long.
    driverOptions: { ...deadlines(statementTimeoutMs), onConnect, maxLifetimeSeconds: 60 },
    entities: [...ENTITIES],
    pool: { min: 0, max: 4 },
    logger: () => undefined,
    ensureDatabase: false,
  });
  const fork = (): ReturnType<typeof orm.em.fork> => orm.em.fork();
  return {
    store: {
      ...createMachineActs(database, newId),
      ...createBatchActs(database),
      ...createLeaseActs(database),
      ...createPoolActs(database, fork),
      ...createReconcileActs(database),
      ...createFreezeActs(database),
      ...createHoursActs(database),
    },
    outbox: createOutbox(database),
    views: createViews(fork),
    history: createHistory(database),
    async ping() {
      await database.query('select 1');
    },
    async close() {
      await database.close();
      await orm.close();
    },
  };
}
