import type { Clock } from '../fleet/ports.ts';
import type { Machine, Store } from '../fleet/store.ts';
import type { HistoryEntry } from './history.ts';

/** A write under a machine's fencing token. */
interface Fenced {
  machine: string;
  token?: number;
}

/**
 * Watches from outside what a store makes of writes that carry an old fencing token: they are written down with
 * what has become of the row.
 */
export function watchStaleWrites(store: Store, options: { clock: Clock; history: HistoryEntry[] }): Store {
  const watched =
    <A extends Fenced, R>(write: (act: A) => Promise<R>): ((act: A) => Promise<R>) =>
    async (act) => {
      const before = act.token === undefined ? undefined : await store.look(act.machine);
      const answer = await write(act);
      if (before === undefined || act.token === undefined || act.token >= before.token) return answer;
      const after = await store.look(act.machine);
      options.history.push({
        ...{ type: 'stale-write', at: options.clock.now().getTime(), machine: act.machine },
        ...{ token: act.token, currentToken: before.token, changedRows: Number(isChanged(before, after)) },
      });
      return answer;
    };
  return {
    ...store,
    finish: watched(store.finish),
    join: watched(store.join),
    becomeReady: watched(store.becomeReady),
    openIntent: watched(store.openIntent),
  };
}

function isChanged(before: Machine, after: Machine | undefined): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}
