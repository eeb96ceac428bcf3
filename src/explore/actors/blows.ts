import type { IntentKind } from '../../fleet/lifecycle.ts';
import type { Pool } from '../../fleet/pool.ts';
import type { Fault } from '../faults.ts';
import type { Job } from '../queues/queues.ts';
import type { Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';
import type { Api } from './api.ts';

/** What blows fall on. */
export interface Targets {
  world: RunWorld;
  api: Api;
  workers(): readonly Process[];
  /** Ends a worker process and has another started a little later; answers how many of its calls come late. */
  crashWorker(process: Process): number;
}

/** Lets one fault happen now; false where there is nothing it could happen to. */
export function strike(targets: Targets, fault: Fault): boolean {
  const blow = BLOWS[fault];
  if (blow === undefined || !blow(targets)) return false;
  targets.world.scheduler.note(`*** ${fault}`);
  targets.world.count(fault);
  return true;
}

const BLOWS: Partial<Record<Fault, (targets: Targets) => boolean>> = {
  crash(targets) {
    const worker = targets.world.random.pick(running(targets));
    if (worker === undefined) return false;
    countLate(targets.world, targets.crashWorker(worker));
    return true;
  },
  apiCrash({ api, world }) {
    countLate(world, api.crash());
    return true;
  },
  pausedWorker: (targets) => pause(targets.world, targets.world.random.pick(running(targets))),
  slowCall: ({ world }) => world.scheduler.slow(world.random.between(1000, 40_000)),
  clockJump({ world }) {
    world.scheduler.jump(world.random.between(5000, 90_000));
    return true;
  },
  lockLost({ world }) {
    const key = world.random.pick(world.locks.keys());
    if (key !== undefined) world.locks.lose(key);
    return key !== undefined;
  },
  duplicateJob: ({ world }) =>
    onJob(world, ['active'], (job) =>
      Object.assign(job, { state: 'waiting', token: 0, holder: null } as const),
    ),
  lostJob: ({ world }) =>
    onJob(world, ['waiting', 'delayed', 'waiting-children'], (job) => world.queues.remove(job.id)),
  lateJob: ({ world }) =>
    onJob(world, ['waiting', 'delayed'], (job) => {
      job.state = 'delayed';
      job.runAtMs = Math.max(job.runAtMs, world.scheduler.nowMs()) + world.random.between(1000, 60_000);
    }),
  // One of the ordinary operations after which a parent runs although its child never has.
  outOfOrder: ({ world }) =>
    onJob(world, ['waiting-children'], (job) => {
      job.state = 'waiting';
      job.waitsFor.clear();
    }),
  redisEmptied({ world }) {
    world.queues.empty();
    world.locks.empty();
    return true;
  },
  undeletable({ world }) {
    const instance = world.random.pick(alive(world));
    if (instance !== undefined)
      instance.protectedUntilMs = world.scheduler.nowMs() + world.random.between(10_000, 60_000);
    return instance !== undefined;
  },
  vanished({ world }) {
    const instance = world.random.pick(alive(world));
    if (instance !== undefined) world.far.evict(instance);
    return instance !== undefined;
  },
  operatorIntent: (targets) => intend(targets),
  poolChanged: (targets) => changePool(targets),
};

function running({ workers }: Pick<Targets, 'workers'>): Process[] {
  return workers().filter((process) => process.state === 'running');
}

function countLate(world: RunWorld, calls: number): void {
  for (let index = 0; index < calls; index += 1) world.count('lateWrite');
}

function pause(world: RunWorld, process: Process | undefined): boolean {
  if (process === undefined) return false;
  const { scheduler } = world;
  scheduler.pause(process);
  const forMs = world.random.between(1000, 45_000);
  scheduler.timer(null, forMs, { label: `${process.name} goes on`, fire: () => scheduler.resume(process) });
  return true;
}

function onJob(world: RunWorld, states: readonly Job['state'][], act: (job: Job) => void): boolean {
  const jobs = [...world.queues.jobs.values()].filter((job) => states.includes(job.state));
  const job = world.random.pick(jobs);
  if (job === undefined) return false;
  world.scheduler.note(`${job.state} ${job.id}`);
  act(job);
  return true;
}

function alive(world: RunWorld) {
  return [...world.far.instances.values()].filter(
    (each) => each.state !== 'gone' && each.state !== 'deleting',
  );
}

const INTENDED: readonly IntentKind[] = ['recycle', 'park', 'quarantine', 'retire', 'provision'];

/** An operator wants something of a machine, at whatever moment that is. */
function intend({ world, api }: Targets): boolean {
  const machine = world.random.pick(world.tables.machines.where((each) => each.state !== 'deleted'));
  const kind = world.random.pick(INTENDED);
  const pool = world.plan.pools.find((each) => each.name === machine?.pool);
  if (machine === undefined || kind === undefined || pool === undefined) return false;
  const by = 'operator';
  const now = world.scheduler.clock.now();
  const act = { machine: machine.id, by, now, deadlines: pool.deadlines, kind, reason: by } as const;
  void api.ask((_, store) => store.openIntent({ ...act, outcome: 'cancelled' })).catch(() => undefined);
  return true;
}

/** A pool is drained for a while, or wants its machines used up sooner. */
function changePool({ world, api }: Targets): boolean {
  const pool = world.random.pick(world.plan.pools);
  if (pool === undefined) return false;
  const changed: Pool = world.random.chance(0.5) ? { ...pool, draining: true } : { ...pool, maxUses: 1 };
  apply(world, api, changed);
  const backInMs = world.random.between(5000, 30_000);
  const label = `pool ${pool.name} is as it was`;
  world.scheduler.timer(null, backInMs, { label, fire: () => apply(world, api, pool) });
  return true;
}

/** Tries again where the API dies over it: a run ends with the pools it began with. */
function apply(world: RunWorld, api: Api, pool: Pool): void {
  const again = (): void => apply(world, api, pool);
  void api
    .ask((_, store) => store.applyPools({ pools: [pool], now: world.scheduler.clock.now() }))
    .catch(() => world.scheduler.timer(null, 1000, { label: `pool ${pool.name} once more`, fire: again }));
}
