import { createLeasing, type Leasing } from '../../fleet/leasing.ts';
import type { Store } from '../../fleet/store.ts';
import { createCalledStore } from '../called-store.ts';
import { createCalledJobs, createWatchfulLog } from '../ports.ts';
import type { Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';

export interface Api {
  /** One request of a client's; rejects where its connection breaks, and nobody knows how far it came. */
  ask<T>(serve: (leasing: Leasing, store: Store) => Promise<T>): Promise<T>;
  process(): Process;
  /** It dies with all its requests, and is back at once. */
  crash(): number;
}

interface Serving {
  process: Process;
  leasing: Leasing;
  store: Store;
  cuts: Set<() => void>;
}

/** The process that serves users, and its successors. */
export function createApi(world: RunWorld): Api {
  let starts = 0;
  const start = (): Serving => {
    starts += 1;
    const process = world.scheduler.start(`api${starts}`);
    const store = createCalledStore(world, process);
    const leasing = createLeasing({
      ...{
        store,
        clock: world.scheduler.clock,
        newId: () => world.newId('lease'),
        log: createWatchfulLog(world),
      },
      jobs: createCalledJobs(world, process, () => undefined),
      recall: (owner, key) =>
        world.scheduler.call(process, { label: `recalls ${key}`, run: () => recall(world, owner, key) }),
    });
    return { process, leasing, store, cuts: new Set() };
  };
  let serving = start();
  return {
    process: () => serving.process,
    ask: (serve) => answerOrCut(serving, serve),
    crash() {
      const late = world.scheduler.crash(serving.process);
      const { cuts } = serving;
      serving = start();
      for (const cut of cuts) cut();
      return late;
    },
  };
}

function answerOrCut<T>(serving: Serving, serve: (leasing: Leasing, store: Store) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cut = (): void => reject(new Error('the connection to the API broke'));
    serving.cuts.add(cut);
    serve(serving.leasing, serving.store)
      .then(resolve, reject)
      .finally(() => serving.cuts.delete(cut));
  });
}

function recall(world: RunWorld, owner: string, idempotencyKey: string) {
  const row = world.look
    .leases()
    .find((each) => each.owner === owner && each.idempotencyKey === idempotencyKey);
  return row === undefined ? undefined : { lease: { id: row.id }, digest: row.digest };
}
