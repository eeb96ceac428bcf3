import { FleetError } from '../fleet/errors.ts';
import { createPoolCache } from '../fleet/pool-cache.ts';
import type { Claims, HeldLock, Jobs, Locks, Log, Ports } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import { createCalledStore } from './called-store.ts';
import { createExploredProvider } from './cloud/provider.ts';
import { addBatch, addScale } from './queues/publish.ts';
import type { Process } from './scheduler.ts';
import type { RunWorld } from './world.ts';

const POOL_AGE_MS = 1000;
export const LOCK_MS = 10_000;

/** Machine locks that a process believes it holds. */
export type HeldLocks = Map<string, { owner: string; abort: AbortController }>;

/** A worker process's ports: every call of theirs is executed when the scheduler chooses it. */
export function createPorts(
  world: RunWorld,
  process: Process,
  own: { held: HeldLocks; nudge(): void },
): Ports {
  const { scheduler, plan, far } = world;
  const store = createCalledStore(world, process);
  const provider = createExploredProvider(world.cloud, far, process);
  return {
    ...{ clock: scheduler.clock, newId: () => world.newId('id'), store, settings: plan.settings },
    jobs: createCalledJobs(world, process, own.nudge),
    locks: createCalledLocks(world, process, own.held),
    prober: {
      probe: (address) =>
        scheduler.call(process, {
          label: `probes ${address}`,
          delayMs: 20,
          run: () => far.answers(address),
          brief: String,
        }),
    },
    budgets: { take: () => Promise.resolve(0), throttled: () => Promise.resolve() },
    claims: createCalledClaims(world, process, store),
    pool: createPoolCache({ store, clock: scheduler.clock, ageMs: POOL_AGE_MS }),
    provider: () => provider,
    log: createWatchfulLog(world),
    witness({ at, ring, live, rung }) {
      const { machine, step } = ring;
      const entry = { type: 'owed', at: at.getTime(), since: ring.since.getTime(), live, rung } as const;
      return scheduler.call(process, {
        label: `witnesses ${machine ?? ring.batch} live ${live} rung ${rung}`,
        run: () => {
          if (machine !== null && step !== null) world.history.push({ ...entry, machine, step });
        },
      });
    },
  };
}

export function createCalledJobs(world: RunWorld, process: Process, nudge: () => void): Jobs {
  const { scheduler, queues } = world;
  return {
    nudge,
    batch(batch, at) {
      const delayMs = Math.max(0, at.getTime() - scheduler.nowMs());
      return scheduler.call(process, {
        label: `adds batch.${batch}`,
        run: () => addBatch(queues, { batch, ring: 0, delayMs }),
      });
    },
    scale: (pool) =>
      scheduler.call(process, { label: `adds scale.${pool}`, run: () => addScale(queues, pool) }),
    live: (jobs) =>
      scheduler.call(process, {
        label: 'asks which jobs live',
        run: () => queues.live(jobs.map((job) => job.id)),
      }),
  };
}

function createCalledLocks(world: RunWorld, process: Process, held: HeldLocks): Locks {
  const { scheduler, locks } = world;
  return {
    async lock(key): Promise<HeldLock | undefined> {
      const owner = world.newId('lock');
      const take = (): boolean => locks.take(key, owner, scheduler.nowMs() + LOCK_MS);
      if (!(await scheduler.call(process, { label: `locks ${key}`, run: take, brief: String })))
        return undefined;
      const abort = new AbortController();
      held.set(key, { owner, abort });
      return {
        signal: abort.signal,
        async unlock() {
          if (held.get(key)?.owner === owner) held.delete(key);
          await scheduler.call(process, { label: `unlocks ${key}`, run: () => locks.free(key, owner) });
        },
      };
    },
  };
}

/** Renews a batch's claim while its call is under way, as the claim keeper of the workers does it. */
function createCalledClaims(world: RunWorld, process: Process, store: Store): Claims {
  const { claimMs } = world.plan.settings;
  return {
    keep({ id, token }) {
      const abort = new AbortController();
      let isKept = true;
      const renew = async (): Promise<void> => {
        const until = new Date(world.scheduler.nowMs() + claimMs);
        const kept = await store.renewBatch({ batch: id, token, until });
        if (!kept) abort.abort(new Error('the batch was claimed elsewhere'));
      };
      const tick = (): void => {
        if (!isKept) return;
        void renew();
        world.scheduler.timer(process, claimMs / 3, { label: `${process.name} renews ${id}`, fire: tick });
      };
      world.scheduler.timer(process, claimMs / 3, { label: `${process.name} renews ${id}`, fire: tick });
      return { signal: abort.signal, letGo: () => void (isKept = false) };
    },
  };
}

/** Workers log what they go on after: what is none of the faults let loose on them is an error of the run. */
export function createWatchfulLog(world: RunWorld): Log {
  const hear = (fields: Record<string, unknown>, message: string): void => {
    if (fields['err'] !== undefined) noteError(world, message, fields['err']);
  };
  return { info: () => undefined, warn: hear, error: hear };
}

const EXPECTED = new Set(['throttled', 'unavailable', 'unknown-reply', 'capacity']);

/** Keeps an error that no fault explains: a refusal of the database's fences, a slip in the program. */
export function noteError(world: RunWorld, where: string, error: unknown): void {
  const isExpected = error instanceof FleetError && (EXPECTED.has(error.code) || isCloudRefusal(error));
  if (isExpected) return;
  const told =
    error instanceof FleetError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  world.errors.push(`${where}: ${told}`);
}

/** The cloud's own refusals name their fault; the fences' never do. */
function isCloudRefusal(error: FleetError): boolean {
  return error.code === 'refused' && error.message.endsWith(': refused');
}
