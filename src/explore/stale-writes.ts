import type { Clock } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import type { HistoryEntry } from './history.ts';

interface Fenced {
  token?: number | null;
}

interface Watched<A> {
  /** The row that the act is fenced by. */
  id(act: A): string;
  look(id: string): Promise<{ token: number } | undefined>;
}

/**
 * Watches from outside what a store makes of writes that carry an old fencing token, a machine's or a batch's: they
 * are written down with what has become of the row.
 */
export function watchStaleWrites(store: Store, options: { clock: Clock; history: HistoryEntry[] }): Store {
  const watch =
    <A extends Fenced, R>(write: (act: A) => Promise<R>, { id, look }: Watched<A>) =>
    async (act: A): Promise<R> => {
      const { token } = act;
      const before = typeof token !== 'number' ? undefined : await look(id(act));
      const answer = await write(act);
      if (before === undefined || typeof token !== 'number' || token >= before.token) return answer;
      const isChanged = JSON.stringify(before) !== JSON.stringify(await look(id(act)));
      options.history.push({
        ...{ type: 'stale-write', at: options.clock.now().getTime(), machine: id(act) },
        ...{ token, currentToken: before.token, changedRows: Number(isChanged) },
      });
      return answer;
    };
  const ofMachine = { id: (act: { machine: string }) => act.machine, look: store.look };
  const ofBatch = { id: (act: { batch: string }) => act.batch, look: store.lookBatch };
  return {
    ...store,
    finish: watch(store.finish, ofMachine),
    becomeReady: watch(store.becomeReady, ofMachine),
    openIntent: watch(store.openIntent, ofMachine),
    recordLook: watch(store.recordLook, ofBatch),
    delayBatch: watch(store.delayBatch, ofBatch),
    renewBatch: watch(store.renewBatch, ofBatch),
    failBatch: watch(store.failBatch, ofBatch),
  };
}
