import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { PostgresSession } from '../../embedded/postgres-session.ts';
import { waitUntil } from '../../embedded/wait-until.ts';
import type { Randomness } from '../../explore/randomness.ts';
import type { ChaosServers } from './chaos-servers.ts';
import type { ClaimsLook } from './claims.ts';
import type { EmulatorBlows } from './emulator-blows.ts';
import type { Blow, DirectBlow } from './plan.ts';
import type { Loss } from './recovery.ts';
import type { Supervised } from './supervised-process.ts';

export interface BlowsOptions {
  workers: readonly Supervised[];
  apis: readonly Supervised[];
  servers: ChaosServers;
  emulators: EmulatorBlows;
  look: ClaimsLook;
  sql: PostgresSession;
  redis: Redis;
  draw: Randomness;
  signal: AbortSignal;
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface Blows {
  /** Resolves once it has fallen, to false where there was nothing that it could hit. */
  strike(blow: Blow): Promise<boolean>;
  /** What each killed worker had in hand. */
  losses(): readonly Loss[];
  /** Resumes what is paused, takes back what was limited and what has not hit yet. */
  calm(): Promise<void>;
}

/** Longer than a job's lock and a claim hold (10 s): whoever wakes up again believes in both. */
const PAUSE_MS = 12_000;
const REDIS_PAUSE_MS = 3000;
const POSTGRES_AWAY_MS = 20_000;
const CAPACITY_MS = 6000;
const VICTIM_WITHIN_MS = 8000;
const VICTIM_LOOK_MS = 50;
const SENDER_WITHIN_MS = 6000;
const SENDER_LOOK_MS = 3;
/** What a process had sent off when it was paused has been committed, or not, after so long. */
const IN_FLIGHT_MS = 60;

/** The hands that strike: processes by their ids, servers by their own, clouds through their control endpoint. */
export function createBlows(options: BlowsOptions): Blows {
  const on: Striking = { ...options, losses: [], undo: new Map() };
  const { servers, emulators } = options;
  const direct: Record<DirectBlow, () => Promise<boolean>> = {
    workerKilled: () => strikeUp(on.workers, (worker) => killWorker(on, worker)),
    workerPaused: () => strikeUp(on.workers, async (worker) => pause(on, worker)),
    workerKilledWhileSending: () => strikeSender(on, (worker) => killWorker(on, worker)),
    workerPausedWhileSending: () => strikeSender(on, async (worker) => pause(on, worker)),
    workerRestarted: () => strikeUp(on.workers, async (worker) => worker.restart()),
    apiRestarted: () => strikeUp(on.apis, async (api) => api.restart()),
    apiKilled: () => strikeUp(on.apis, async (api) => api.kill()),
    apiPaused: () => strikeUp(on.apis, async (api) => pause(on, api)),
    redisKilled: () => landed(servers.killRedis()),
    redisEmptied: () => landed(on.redis.flushall()),
    redisPaused: () => landed(servers.pauseRedisFor(REDIS_PAUSE_MS)),
    postgresKilled: () => landed(servers.killPostgres()),
    postgresAway: () => landed(servers.stopPostgresFor(POSTGRES_AWAY_MS)),
    connectionsCut: () => landed(cutConnections(on)),
    evicted: () => emulators.takeBack('evict'),
    vanished: () => emulators.takeBack('vanish'),
    capacityLimited: () => landed(limitCapacity(on)),
  };
  const strikeUp = async (
    among: readonly Supervised[],
    act: (victim: Supervised) => Promise<void>,
  ): Promise<boolean> => {
    const victim = await findVictim(on, among);
    if (victim !== undefined) await act(victim);
    return victim !== undefined;
  };
  return {
    strike: (blow) =>
      'fault' in blow ? landed(emulators.callFault(blow.kind, blow.fault)) : direct[blow.kind](),
    losses: () => on.losses,
    async calm() {
      for (const [timer, undo] of on.undo) {
        clearTimeout(timer);
        undo();
      }
      on.undo.clear();
      await emulators.clearFaults();
      await emulators.freeCapacity();
    },
  };
}

interface Striking extends BlowsOptions {
  losses: Loss[];
  /** What is to be taken back later, by its timer. */
  undo: Map<NodeJS.Timeout, () => void>;
}

async function landed(act: Promise<unknown>): Promise<boolean> {
  await act;
  return true;
}

function findVictim(on: Striking, among: readonly Supervised[]): Promise<Supervised | undefined> {
  const wait = { deadlineMs: VICTIM_WITHIN_MS, everyMs: VICTIM_LOOK_MS, signal: on.signal };
  return waitUntil(wait, async () => on.draw.pick(among.filter((each) => each.isUp())));
}

/** Held still first: what it has in hand cannot change any more while that is written down. */
async function killWorker(on: Striking, worker: Supervised): Promise<void> {
  const at = on.now();
  worker.pause();
  try {
    await sleep(IN_FLIGHT_MS);
    on.losses.push({ at, claims: await on.look.of(worker.pid()) });
  } finally {
    worker.kill();
  }
}

function pause(on: Striking, victim: Supervised): void {
  victim.pause();
  takeBackLater(on, PAUSE_MS, () => victim.resume());
}

function takeBackLater(on: Striking, ms: number, undo: () => void): void {
  const timer = setTimeout(() => {
    on.undo.delete(timer);
    undo();
  }, ms);
  on.undo.set(timer, undo);
}

/** Catches a worker between the closing of a batch and what it writes of the call's answer. */
async function strikeSender(on: Striking, act: (worker: Supervised) => Promise<void>): Promise<boolean> {
  const wait = { deadlineMs: SENDER_WITHIN_MS, everyMs: SENDER_LOOK_MS, signal: on.signal };
  const caught = await waitUntil(wait, () => catchSender(on));
  if (caught === undefined) return false;
  await act(caught);
  return true;
}

async function catchSender(on: Striking): Promise<Supervised | undefined> {
  for (const sending of await on.look.sending()) {
    const worker = on.workers.find((each) => each.isUp() && each.pid() === sending.pid);
    if (worker === undefined) continue;
    worker.pause();
    await sleep(IN_FLIGHT_MS);
    if (await on.look.isSending(sending)) return worker;
    worker.resume();
  }
  return undefined;
}

const CUT_POSTGRES = `select count(pg_terminate_backend(pid)) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

async function cutConnections({ sql, redis }: Striking): Promise<void> {
  await sql.query(CUT_POSTGRES);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

async function limitCapacity(on: Striking): Promise<void> {
  await on.emulators.limitCapacity();
  // Where this fails, what follows the last blow takes the limit back all the same.
  takeBackLater(on, CAPACITY_MS, () => void on.emulators.freeCapacity().catch(() => undefined));
}
