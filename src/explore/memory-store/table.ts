export interface Table<Row extends { id: string }> {
  get(id: string): Row | undefined;
  all(): Row[];
  where(matches: (row: Row) => boolean): Row[];
  /** Writes a row whole: a new one, or in place of the one with its id. */
  put(row: Row): void;
  drop(id: string): void;
}

export interface Journal {
  /** Runs `work` as a whole or not at all. */
  transaction<T>(work: () => T): T;
  /** Notes how to take a write back. */
  note(undo: () => void): void;
}

export function createJournal(): Journal {
  let open: (() => void)[] | undefined;
  return {
    transaction(work) {
      // An act within an act is part of it.
      if (open !== undefined) return work();
      open = [];
      try {
        return work();
      } catch (error) {
        for (const undo of open.toReversed()) undo();
        throw error;
      } finally {
        open = undefined;
      }
    },
    note: (undo) => open?.push(undo),
  };
}

/** Rows by id; `onWrite` is told of every write and may refuse it by throwing. */
export function createTable<Row extends { id: string }>(
  journal: Journal,
  onWrite: (before: Row | undefined, after: Row) => void = () => undefined,
): Table<Row> {
  const rows = new Map<string, Row>();
  return {
    get: (id) => rows.get(id),
    all: () => [...rows.values()],
    where: (matches) => [...rows.values()].filter(matches),
    put(row) {
      const before = rows.get(row.id);
      rows.set(row.id, row);
      journal.note(() => {
        if (before === undefined) rows.delete(row.id);
        else rows.set(row.id, before);
      });
      onWrite(before, row);
    },
    drop(id) {
      const before = rows.get(id);
      if (before === undefined) return;
      rows.delete(id);
      journal.note(() => rows.set(id, before));
    },
  };
}
