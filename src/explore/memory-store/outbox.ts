import type { Bell, Outbox } from '../../fleet/outbox.ts';
import type { Memory } from './memory.ts';
import type { BellRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** Rows that one relay is delivering are left to it until it is done, or has failed. */
export function createOutbox({ tables }: Memory): Outbox {
  const taken = new Set<string>();
  return {
    async deliver(act) {
      const rows = tables.bells
        .where((row) => row.dueAt <= act.now && !taken.has(row.id))
        .toSorted((a, b) => a.n - b.n)
        .slice(0, act.limit);
      if (rows.length === 0) return 0;
      for (const row of rows) taken.add(row.id);
      try {
        const putOff = await act.deliver(rows.flatMap((row) => toBell(tables, row) ?? []));
        settle(tables, rows, putOff);
        return rows.length;
      } finally {
        for (const row of rows) taken.delete(row.id);
      }
    },
  };
}

/** A flow whose intent has been replaced or done meanwhile needs no publishing: its successor has its own bell. */
function toBell(tables: Tables, row: BellRow): Bell | undefined {
  const { n: id } = row;
  switch (row.kind) {
    case 'wake':
      return { id, kind: 'wake', job: row.job, tries: row.tries };
    case 'batch':
      return { id, kind: 'batch', batch: row.batch, ring: row.ring };
    case 'step': {
      const { machine, intent, pool, step, ring } = row;
      return { id, kind: 'step', machine, intent, pool, step, ring };
    }
    case 'flow': {
      const { machine, intent, pool } = row;
      const now = tables.machines.get(machine);
      if (now?.intent !== intent || now.intentKind === null) return undefined;
      return { id, kind: 'flow', machine, intent, pool, state: now.state, intentKind: now.intentKind };
    }
  }
}

function settle(tables: Tables, rows: readonly BellRow[], putOff: ReadonlyMap<number, Date>): void {
  for (const row of rows) {
    const dueAt = putOff.get(row.n);
    if (dueAt === undefined) tables.bells.drop(row.id);
    else tables.bells.put({ ...row, dueAt, tries: row.tries + 1 });
  }
}
