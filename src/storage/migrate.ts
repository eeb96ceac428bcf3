import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { ENTITIES } from './entities.ts';
import { Fleet } from './migrations/0001-fleet.ts';

/** Brings a database to this version's schema; doing it again, or in two processes at once, changes nothing. */
export async function migrate(databaseUrl: string): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: databaseUrl,
    entities: [...ENTITIES],
    extensions: [Migrator],
    logger: () => undefined,
    migrations: { migrationsList: [Fleet], snapshot: false, tableName: 'drover_migration' },
  });
  try {
    // Two processes that start together must not both create the tables.
    await orm.em.fork().transactional(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(hashtext('drover migrate'))`);
      await orm.migrator.up();
    });
  } finally {
    await orm.close();
  }
}
