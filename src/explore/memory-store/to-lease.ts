import type { Lease } from '../../fleet/pool.ts';
import { HOLDING } from '../../fleet/store.ts';
import type { LeaseRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** A lease as its user sees it: its address is shown only while its hold stands. */
export function toLease(tables: Tables, row: LeaseRow): Lease {
  const machine =
    row.machine !== null && HOLDING.includes(row.state) ? tables.machines.get(row.machine) : undefined;
  return { ...row, address: machine?.address ?? null };
}
