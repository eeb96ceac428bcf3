import type { IntentKind } from '../../fleet/lifecycle.ts';
import type { Pool } from '../../fleet/pool.ts';
import type { OpenIntentAct } from '../../fleet/store.ts';
import type { SeenMachine } from '../explored-store.ts';
import type { Fault } from '../faults.ts';
import type { Job } from '../queues/queues.ts';
import type { Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';
import { lieInWait } from './ambush.ts';
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
  if (!COUNTS_ITSELF.includes(fault)) targets.world.count(fault);
  return true;
}

/** Those that wait for their moment, which may never come. */
const COUNTS_ITSELF: readonly Fault[] = ['pausedWorker', 'operatorIntent'];

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
  pausedWorker: pause,
  slowCall: ({ world }) =>
    world.scheduler.slow(world.random.pick(TOUCHY) ?? '', world.random.between(1000, 40_000)),
  clockJump({ world }) {
    world.scheduler.jump(world.random.between(5000, 90_000));
    return true;
  },
  duplicateJob({ world }) {
    const active = [...world.queues.jobs.values()].filter((job) => job.state === 'active');
    // Often the one that has been at work for the longest: somebody is stuck in it.
    const [oldest] = active.toSorted((a, b) => a.token - b.token);
    const job = world.random.chance(0.5) ? oldest : world.random.pick(active);
    if (job === undefined) return false;
    world.scheduler.note(`${job.id} is taken for stalled`);
    Object.assign(job, { state: 'waiting', token: 0, holder: null } as const);
    return true;
  },
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
  interrupted({ world }) {
    const instance = world.random.pick(alive(world).filter((each) => !each.isInterrupted));
    if (instance !== undefined) world.far.interrupt(instance);
    return instance !== undefined;
  },
  stray({ world }) {
    const pool = world.random.pick(world.plan.pools);
    const placement = world.random.pick(pool?.placements ?? []);
    if (placement === undefined) return false;
    world.far.stray(placement);
    return true;
  },
  operatorIntent: intend,
  poolChanged: changePool,
};

function running({ workers }: Pick<Targets, 'workers'>): Process[] {
  return workers().filter((process) => process.state === 'running');
}

function countLate(world: RunWorld, calls: number): void {
  for (let index = 0; index < calls; index += 1) world.count('lateWrite');
}

/** Calls that it is worst to be interrupted in, or to come late with. */
const TOUCHY = ['claim', 'join', 'finish', 'release', 'becomeReady', 'closeBatch', 'recordLook', 'cloud'];

/** A worker stands still in the middle of a call, and goes on when another is about to do the same. */
function pause({ world, workers }: Targets): boolean {
  const word = world.random.pick(TOUCHY) ?? '';
  const busy = (not?: Process): Process | undefined =>
    world.scheduler.underWay().find(({ owner, label }) => {
      const isWorker = owner.state === 'running' && owner !== not && workers().includes(owner);
      return isWorker && label.includes(word);
    })?.owner;
  lieInWait(world, {
    label: 'a worker pauses',
    sees: () => busy(),
    act(seen) {
      const process = seen ?? world.random.pick(running({ workers }));
      if (process !== undefined) pauseNow(world, process, () => busy(process));
    },
  });
  return true;
}

function pauseNow(world: RunWorld, process: Process, rival: () => Process | undefined): void {
  if (!world.isChaos) return;
  const { scheduler } = world;
  world.count('pausedWorker');
  scheduler.note(`*** ${process.name} pauses`);
  scheduler.pause(process);
  const wake = (): void => scheduler.resume(process);
  const forMs = world.random.between(1000, 25_000);
  const ambush = (): void => lieInWait(world, { label: `${process.name} goes on`, sees: rival, act: wake });
  scheduler.timer(null, forMs, { label: `${process.name} may go on`, fire: ambush });
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

/** An operator wants something of a machine while others are at work on it, or about to lease it. */
function intend({ world, api }: Targets): boolean {
  const kind = world.random.pick(INTENDED);
  const word = world.random.pick(['match', 'match', 'match', ...TOUCHY]) ?? '';
  if (kind === undefined) return false;
  lieInWait(world, {
    label: `the operator wants to ${kind}`,
    sees: () => contested(world, word),
    async act(seen) {
      const machine =
        seen ?? world.random.pick(world.look.machines().filter((each) => each.state !== 'deleted'));
      const pool = world.plan.pools.find((each) => each.name === machine?.pool);
      if (machine === undefined || pool === undefined || !world.isChaos) return;
      world.count('operatorIntent');
      const by = 'operator';
      const act = { machine: machine.id, by, now: world.scheduler.clock.now(), deadlines: pool.deadlines };
      const intent = { ...act, kind, reason: by, outcome: 'cancelled' } as const;
      // At once, where the moment is what matters; else as it comes in.
      if (seen !== undefined) await openNow(world, intent);
      else void api.ask((_, store) => store.openIntent(intent)).catch(() => undefined);
    },
  });
  return true;
}

async function openNow(world: RunWorld, intent: OpenIntentAct): Promise<void> {
  await world.store.openIntent(intent);
  await world.refresh();
}

/** A machine that a call under way is about to change. */
function contested(world: RunWorld, word: string): SeenMachine | undefined {
  const calls = world.scheduler.underWay().filter(({ label }) => label.includes(word));
  if (calls.length === 0) return undefined;
  if (word === 'match') return aboutToBeLeased(world);
  const named = calls.flatMap(({ label }) => /machine=(\S+)/.exec(label)?.[1] ?? []);
  const batches = calls.flatMap(({ label }) => /batch=(\S+)/.exec(label)?.[1] ?? []);
  return world.random.pick(
    world.look.machines().filter((each) => named.includes(each.id) || batches.includes(each.batch ?? '')),
  );
}

/** A ready machine of a pool that somebody is waiting for: the match under way will pair the two. */
function aboutToBeLeased({ look, random }: RunWorld): SeenMachine | undefined {
  const pending = look.leases().filter((each) => each.state === 'pending');
  const wanted = new Set(pending.flatMap((each) => each.pools));
  return random.pick(look.machines().filter((each) => each.state === 'ready' && wanted.has(each.pool)));
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
