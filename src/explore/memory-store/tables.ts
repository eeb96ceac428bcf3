import { OWED } from '../../fleet/lifecycle.ts';
import type { Clock } from '../../fleet/ports.ts';
import type { HistoryEntry } from '../history.ts';
import { createFences } from './fences.ts';
import { createChangeLog } from './change-log.ts';
import type {
  BatchRow,
  BellRow,
  FleetRow,
  FreezeRow,
  InstanceRow,
  IntentRow,
  LeaseRow,
  LeftOverRow,
  MachineRow,
  MemberRow,
  PlacementRow,
  PoolRow,
  SweepRow,
} from './rows.ts';
import { createJournal, createTable, type Journal, type Table } from './table.ts';

export interface Tables {
  pools: Table<PoolRow>;
  placements: Table<PlacementRow>;
  machines: Table<MachineRow>;
  leases: Table<LeaseRow>;
  intents: Table<IntentRow>;
  batches: Table<BatchRow>;
  members: Table<MemberRow>;
  instances: Table<InstanceRow>;
  sweeps: Table<SweepRow>;
  leftOvers: Table<LeftOverRow>;
  freezes: Table<FreezeRow>;
  fleet: Table<FleetRow>;
  bells: Table<BellRow>;
  /** A number that goes up. */
  count(): number;
  /** Every logged write, in order. */
  history: HistoryEntry[];
  /** Runs `work` as a whole or not at all: what the fences refuse is taken back. */
  transaction<T>(work: () => T): T;
}

/**
 * The tables in memory, with the fences and the log that the database has. `fenced: false` leaves the fences out, to
 * see what else would notice.
 */
export function createTables(options: { clock: Clock; fenced: boolean }): Tables {
  const journal = createJournal();
  const history: HistoryEntry[] = [];
  let counted = 0;
  const tables: Tables = {
    ...createPlainTables(journal),
    intents: createTable<IntentRow>(journal, (_before, row) => fences.intent(row)),
    machines: createTable<MachineRow>(journal, (before, row) => {
      // Generated from state and intent, as the database does.
      row.owed = row.intentKind === null ? null : (OWED[row.state][row.intentKind] ?? null);
      fences.machine(before, row);
      log.machine(before, row);
    }),
    leases: createTable<LeaseRow>(journal, (before, row) => {
      fences.lease(before, row);
      log.lease(before, row);
    }),
    batches: createTable<BatchRow>(journal, (before, row) => {
      fences.batch(row);
      log.batch(before, row);
    }),
    instances: createTable<InstanceRow>(journal, (before, row) => {
      fences.instance(before, row);
      log.instance(row);
    }),
    history,
    count: () => (counted += 1),
    transaction(work) {
      const length = history.length;
      return journal.transaction(() => {
        journal.note(() => (history.length = Math.min(history.length, length)));
        const result = work();
        fences.holds();
        return result;
      });
    },
  };
  const fences = createFences(tables, options.fenced);
  const log = createChangeLog(history, options.clock);
  return tables;
}

/** Those that have neither fences nor a log. */
function createPlainTables(journal: Journal) {
  return {
    pools: createTable<PoolRow>(journal),
    placements: createTable<PlacementRow>(journal),
    members: createTable<MemberRow>(journal),
    bells: createTable<BellRow>(journal),
    sweeps: createTable<SweepRow>(journal),
    leftOvers: createTable<LeftOverRow>(journal),
    freezes: createTable<FreezeRow>(journal),
    fleet: createTable<FleetRow>(journal),
  };
}
