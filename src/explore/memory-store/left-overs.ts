import type { LeftOver } from '../../fleet/provider.ts';
import {
  type CondemnedLeftOver,
  LEFT_OVER_PAUSE_MS,
  LEFT_OVERS_A_SWEEP,
  LEFT_OVERS_SHOWN,
  type LeftOverRefusedAct,
  type SweepAct,
} from '../../fleet/reconcile-acts.ts';
import { after, byOrder, isFree } from './due.ts';
import type { Memory } from './memory.ts';
import { type LeftOverRow, placementKey } from './rows.ts';
import type { Tables } from './tables.ts';

/** Writes down what a listing leaves over, forgets what it no longer does; answers how many are now to be condemned. */
export function sightLeftOvers(tables: Tables, act: SweepAct, settledBefore: Date): number {
  const { pool, name: placement } = act.placement;
  const listed = new Map(act.leftOvers.map((each) => [keyOf(act, each), each]));
  for (const row of here(tables, act)) if (!listed.has(row.id)) tables.leftOvers.drop(row.id);
  for (const [id, leftOver] of listed) {
    if (tables.leftOvers.get(id) !== undefined) continue;
    const unseen = { condemnedAt: null, tries: 0, nextAt: null, failure: null };
    tables.leftOvers.put({ id, pool, placement, leftOver, sightedAt: act.now, ...unseen });
  }
  return settled(tables, act, settledBefore).length;
}

/** Condemns what has been seen for long enough; answers whatever is condemned there and due to be deleted. */
export function condemnLeftOvers(tables: Tables, act: SweepAct, settledBefore: Date): LeftOver[] {
  for (const row of settled(tables, act, settledBefore)) {
    tables.leftOvers.put({ ...row, condemnedAt: act.now });
  }
  if (tables.freezes.get('delete') !== undefined) return [];
  const due = here(tables, act).filter((row) => row.condemnedAt !== null && isFree(row.nextAt, act.now));
  const first = due.toSorted(byOrder(() => [])).slice(0, LEFT_OVERS_A_SWEEP);
  for (const row of first) {
    const nextAt = after(act.now, pauseMs(row.tries));
    tables.leftOvers.put({ ...row, tries: row.tries + 1, nextAt });
  }
  return first.map((row) => row.leftOver);
}

export function leftOverRefused({ tables }: Memory, act: LeftOverRefusedAct): void {
  const row = tables.leftOvers.get(keyOf(act, act));
  if (row?.condemnedAt != null) tables.leftOvers.put({ ...row, failure: act.why });
}

/** What is condemned and still there, the oldest first. */
export function condemnedLeftOvers(tables: Tables): CondemnedLeftOver[] {
  const rows = tables.leftOvers.all().flatMap((row) => {
    const { condemnedAt: since } = row;
    return since === null ? [] : [{ ...row, since }];
  });
  return rows
    .toSorted(byOrder(({ since }) => [since.getTime()]))
    .slice(0, LEFT_OVERS_SHOWN)
    .map(({ pool, placement, leftOver, since, tries, nextAt, failure }) => {
      return { pool, placement, ...leftOver, since, tries, nextAt, failure };
    });
}

function pauseMs(tries: number): number {
  return Math.min(LEFT_OVER_PAUSE_MS.first * 2 ** tries, LEFT_OVER_PAUSE_MS.most);
}

function settled(tables: Tables, act: SweepAct, before: Date): LeftOverRow[] {
  return here(tables, act).filter((row) => row.condemnedAt === null && row.sightedAt <= before);
}

function here(tables: Tables, { placement }: SweepAct): LeftOverRow[] {
  return tables.leftOvers.where((row) => row.pool === placement.pool && row.placement === placement.name);
}

function keyOf({ placement }: Pick<SweepAct, 'placement'>, { id }: Pick<LeftOver, 'id'>): string {
  return `${placementKey(placement)} ${id}`;
}
