import type { Store } from '../fleet/store.ts';
import { batch } from '../workers/batch.ts';
import { deletes } from '../workers/delete.ts';
import { provision } from '../workers/provision.ts';
import { reconcile } from '../workers/reconcile.ts';
import { release } from '../workers/release.ts';
import { scale } from '../workers/scale.ts';
import { stop } from '../workers/stop.ts';
import { createApi } from './actors/api.ts';
import { strike, type Targets } from './actors/blows.ts';
import { startClient } from './actors/client.ts';
import { startOperator } from './actors/operator.ts';
import { startWorkerProcess } from './actors/worker-process.ts';
import { createFarSide } from './cloud/far-side.ts';
import { closingEntries, unrest } from './end-of-run.ts';
import { createExploredMemory } from './explored-memory.ts';
import type { ExploredStore, OpenStore } from './explored-store.ts';
import { type Counted, createFaults, type Fault, type Faults, FAULTS } from './faults.ts';
import { createHeldOutbox } from './held-outbox.ts';
import type { HistoryEntry } from './history.ts';
import { createLockTable } from './locks.ts';
import type { MemoryStore } from './memory-store.ts';
import { drawPlan } from './plan.ts';
import { createQueues } from './queues/queues.ts';
import type { WorkerTable } from './queues/worker-table.ts';
import { createRandomness, type Randomness } from './randomness.ts';
import { createScheduler, type Process, type Scheduler } from './scheduler.ts';
import { watchStaleWrites } from './stale-writes.ts';
import type { RunWorld } from './world.ts';

/** One run of the whole fleet under one seed. */
export interface Exploration {
  seed: number;
  steps: number;
  faults: Counted;
  /** The place of each fault that was about to happen, such as `crash:0`. */
  faultPlaces: readonly string[];
  /** What the auditor judges. */
  history: readonly HistoryEntry[];
  /** What went wrong that no history tells: an error nobody expects, a run that never became quiet. */
  failures: readonly string[];
  /** Every step, in order: milliseconds since the beginning, who, what. */
  trace: readonly string[];
}

export interface ExploreOptions {
  seed: number;
  /** The places of the faults that are let happen; all of them where left out. */
  faults?: ReadonlySet<string> | undefined;
  /** What the run is explored over; the store in memory where left out. */
  openStore?: OpenStore | undefined;
  /** Puts something wrong in the place of a part, over the store in memory, to see whether it is noticed. */
  mutate?: (parts: MutableParts) => Partial<MutableParts>;
  /** False leaves out, in memory, what the database refuses by itself. */
  fenced?: boolean;
  /** Ends the run at its next step: it rejects with the signal's reason, and its store is closed. */
  signal?: AbortSignal | undefined;
}

export interface MutableParts {
  store: Store;
  workers: WorkerTable;
  readonly tables: MemoryStore['tables'];
}

const EPOCH_MS = Date.UTC(2026, 0, 1);
/** How long a run may take to become quiet, and how many steps it may have in all. */
const QUIET_WITHIN_MS = 60 * 60_000;
const STEPS_MOST = 60_000;
const LOOK_EVERY_STEPS = 25;
/** Longer than any claim or lock holds by itself. */
const SLOWEST_MS = 14_000;

/** Runs one seed: chaos first, then quiet. The same seed takes the same steps. */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  const random = createRandomness(options.seed);
  const scheduler = createScheduler(random, EPOCH_MS);
  const faults = createFaults(options.faults);
  const explored = await openParts(options, scheduler);
  try {
    const world = createWorld({ explored, random, scheduler, faults });
    const { history, failures } = await run(world, { faults, signal: options.signal });
    return {
      ...{ seed: options.seed, steps: scheduler.steps(), trace: scheduler.trace },
      ...{ faults: faults.counts(), faultPlaces: faults.places() },
      history: [...(await explored.history()), ...history],
      failures,
    };
  } finally {
    await explored.close();
  }
}

interface Course {
  faults: Faults;
  signal: AbortSignal | undefined;
}

async function run(world: RunWorld, course: Course): Promise<Pick<Exploration, 'history' | 'failures'>> {
  const { history, errors } = world;
  const targets = populate(world, course.faults);
  try {
    const restless = await runItsCourse(world, { targets, signal: course.signal });
    const told = [...history, ...closingEntries(world, EPOCH_MS)];
    await letGo(world, targets);
    return { history: told, failures: [...errors, ...restless] };
  } catch (error) {
    await letGo(world, targets);
    throw error;
  }
}

/** Chaos, then quiet; answers what was not quiet in time. */
async function runItsCourse(
  world: RunWorld,
  { targets, signal }: { targets: Targets; signal: AbortSignal | undefined },
): Promise<string[]> {
  const { scheduler, random } = world;
  const { chaosMs } = world.plan;
  scheduler.slowDown(() => (world.cloud.isFaulty('slowNetwork') ? random.between(50, SLOWEST_MS) : 0));
  await world.store.applyPools({ pools: world.plan.pools, now: scheduler.clock.now() });
  await world.refresh();
  await runUntil(world, { signal, isOver: () => scheduler.nowMs() >= EPOCH_MS + chaosMs });
  becalm(targets);
  const quietByMs = scheduler.nowMs() + QUIET_WITHIN_MS;
  await runUntil(world, {
    signal,
    isOver: () => unrest(world).length === 0 || scheduler.nowMs() >= quietByMs,
  });
  return unrest(world).map((what) => `it never became quiet: ${what}`);
}

/** Whoever still holds a connection lets go of it. */
async function letGo({ scheduler }: RunWorld, targets: Targets): Promise<void> {
  for (const process of targets.workers()) scheduler.crash(process);
  await scheduler.settled();
}

const WORKERS: WorkerTable = { provision, stop, release, delete: deletes, batch, scale, reconcile };

type Explored = ExploredStore & { workers: WorkerTable };

async function openParts(options: ExploreOptions, { clock }: Scheduler): Promise<Explored> {
  const { openStore, mutate, fenced = true } = options;
  if (openStore !== undefined) return { ...(await openStore(clock)), workers: WORKERS };
  const memory = { ...createExploredMemory({ clock, fenced }), workers: WORKERS };
  return { ...memory, ...mutate?.(memory) };
}

function createWorld(from: {
  explored: Explored;
  random: Randomness;
  scheduler: Scheduler;
  faults: Faults;
}): RunWorld {
  const { explored, random, scheduler, faults } = from;
  const { look, newId, refresh, workers } = explored;
  const plan = drawPlan(random);
  const history: HistoryEntry[] = [];
  const errors: string[] = [];
  const world: RunWorld = {
    ...{ plan, scheduler, random, look, newId, refresh, history, workers, errors },
    store: watchStaleWrites(explored.store, { clock: scheduler.clock, history }),
    outbox: createHeldOutbox(explored.outbox, { scheduler, refresh, errors }),
    queues: createQueues({ nowMs: scheduler.nowMs, random }),
    locks: createLockTable(scheduler.nowMs, () => world.cloud.isFaulty('lockLost')),
    ...createCloud({ plan, scheduler, random, history, faults, isChaos: () => world.isChaos }),
    ...{ rounds: [], isChaos: true, count: faults.count, onWrite: new Set() },
  };
  return world;
}

function createCloud(
  from: Pick<RunWorld, 'plan' | 'scheduler' | 'random' | 'history'> & {
    faults: Faults;
    isChaos(): boolean;
  },
): Pick<RunWorld, 'cloud' | 'far'> {
  const { plan, scheduler, random, history, faults } = from;
  const isFaulty = (fault: Fault): boolean => {
    const isNow = from.isChaos() && random.chance(plan.faults[fault] ?? 0) && faults.admits(fault);
    if (isNow) faults.count(fault);
    return isNow;
  };
  const cloud = { scheduler, random, history, plan: plan.cloud, isFaulty, count: faults.count };
  return { cloud, far: createFarSide(cloud) };
}

/** Everybody who acts in a run. */
function populate(world: RunWorld, faults: Faults): Targets {
  const { scheduler, random, plan, queues } = world;
  const api = createApi(world);
  const workers = new Map<string, Process>();
  const start = (name: string): void => void workers.set(name, startWorkerProcess(world, name));
  for (let index = 1; index <= plan.processes; index += 1) start(`w${index}`);
  for (const client of plan.clients) startClient(world, api, client);
  const stall = (): void => {
    queues.stall();
    scheduler.timer(null, STALL_MS, { label: 'looks for stalled jobs', fire: stall });
  };
  stall();
  const targets: Targets = {
    ...{ world, api, workers: () => [...workers.values()] },
    crashWorker(process) {
      const late = scheduler.crash(process);
      const label = `${process.name} starts again`;
      scheduler.timer(null, random.between(100, 15_000), { label, fire: () => start(process.name) });
      return late;
    },
  };
  planBlows(targets, faults);
  return targets;
}

const STALL_MS = 5000;
/** How often a blow that has nothing to fall on is tried again. */
const TRIES = 20;

function planBlows(targets: Targets, faults: Faults): void {
  const { plan, random, scheduler } = targets.world;
  // A call's fault has a chance instead, which is less than one.
  const lots = FAULTS.flatMap((fault) =>
    Array.from({ length: Math.floor(plan.faults[fault] ?? 0) }, () => fault),
  );
  for (let blow = 0; blow < plan.blows; blow += 1) {
    const fault = random.pick(lots);
    if (fault === undefined) return;
    tryBlow(targets, fault, { inMs: random.between(500, plan.chaosMs), tries: TRIES });
  }

  function tryBlow(on: Targets, fault: Fault, { inMs, tries }: { inMs: number; tries: number }): void {
    const fire = (): void => {
      if (!on.world.isChaos || (tries === TRIES && !faults.admits(fault))) return;
      if (strike(on, fault) || tries === 0) return;
      tryBlow(on, fault, { inMs: 200, tries: tries - 1 });
    };
    scheduler.timer(null, inMs, { label: `${fault} is due`, fire });
  }
}

/** From here on nothing goes wrong any more. */
function becalm({ world, api, workers }: Targets): void {
  world.scheduler.note('*** quiet');
  world.isChaos = false;
  for (const process of workers()) world.scheduler.resume(process);
  startOperator(world, api);
}

async function runUntil(
  world: RunWorld,
  { signal, isOver }: { signal: AbortSignal | undefined; isOver(): boolean },
): Promise<void> {
  for (let step = 0; world.scheduler.steps() < STEPS_MOST; step += 1) {
    signal?.throwIfAborted();
    if (step % LOOK_EVERY_STEPS === 0 && isOver()) return;
    if (!(await world.scheduler.step())) return;
  }
}
