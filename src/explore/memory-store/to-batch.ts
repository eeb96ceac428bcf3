import type { Batch } from '../../fleet/store.ts';
import { byOrder } from './due.ts';
import type { BatchRow, MemberRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** Members in one order, with what a replay must carry. */
export function toBatch(tables: Tables, row: BatchRow): Batch {
  const members = membersOf(tables, row.id);
  return {
    ...row,
    members: members.map(({ machine, instance }) => ({ machine, instance })),
    pending: members.filter((member) => member.state === 'pending').map((member) => member.machine),
  };
}

export function membersOf(tables: Tables, batch: string): MemberRow[] {
  return tables.members.where((member) => member.batch === batch).toSorted(byOrder(() => []));
}
