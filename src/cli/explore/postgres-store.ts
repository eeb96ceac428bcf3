import { parseRecord } from '../../audit/read-history.ts';
import { openPostgresSession } from '../../embedded/postgres-session.ts';
import type { ExploredStore, OpenStore } from '../../explore/explored-store.ts';
import type { HistoryEntry } from '../../explore/history.ts';
import { createStorage } from '../../main.ts';
import { createPostgresLook } from './postgres-look.ts';
import type { ExploreDatabases } from './postgres-databases.ts';

/** The real storage, over an empty database for each run. */
export function createOpenPostgres(postgres: Pick<ExploreDatabases, 'make' | 'drop'>): OpenStore {
  return async (clock) => {
    const url = await postgres.make();
    const newId = createIds();
    const { store, outbox, history, close } = await createStorage({ url, newId });
    const session = openPostgresSession(url);
    const { look, refresh } = createPostgresLook(session);
    const commits: Commit[] = [];
    return {
      ...{ store, outbox, look, newId },
      async refresh() {
        commits.push({ seq: await refresh(), atMs: clock.now().getTime() });
      },
      history: () => timed(history.records(), commits),
      async close() {
        await Promise.all([session.close(), close()]);
        await postgres.drop(url);
      },
    };
  };
}

/** Everything logged up to `seq`, and not seen before, was committed then. */
interface Commit {
  seq: number;
  atMs: number;
}

/** The server tells when a write was really committed; the run has a clock of its own. */
async function timed(
  records: AsyncIterable<Record<string, unknown>>,
  commits: readonly Commit[],
): ReturnType<ExploredStore['history']> {
  const history: HistoryEntry[] = [];
  let next = 0;
  for await (const record of records) {
    const given = parseRecord(JSON.stringify(record), `record ${history.length + 1}`);
    if (!('committedAt' in given)) continue;
    while ((commits[next]?.seq ?? Infinity) < given.seq) next += 1;
    history.push({ ...given, committedAt: commits[next]?.atMs ?? given.at });
  }
  return history;
}

/** Apart from those that statements make, and counted like them. */
function createIds(): () => string {
  let made = 0;
  return () => {
    made += 1;
    return `00000000-0000-4000-8000-${made.toString(16).padStart(12, '0')}`;
  };
}
