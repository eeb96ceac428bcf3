import { Migration } from '@mikro-orm/migrations';
import { FENCES } from './0001-fences.ts';
import { BELLS, LOG } from './0001-log.ts';
import { TABLES } from './0001-tables.ts';

/** Tables, fences and the log of every change. See docs/decisions/0002-where-the-guarantee-lives.md. */
export class Fleet extends Migration {
  override name = '0001-fleet';

  override up(): void {
    for (const sql of [...TABLES, ...FENCES, ...LOG, ...BELLS]) this.addSql(sql);
  }
}
