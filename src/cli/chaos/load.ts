import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AckRecord } from '../../audit/history.ts';
import { ClientError } from '../../client/client-error.ts';
import type { Client } from '../../client/client.ts';
import type { Lease, LeaseRequest } from '../../client/shapes.ts';
import type { Task } from '../tasks/task.ts';

export interface LoadOptions {
  client: Client;
  /** Played in their order, again and again. */
  tasks: readonly Task[];
  /** Arrivals and hold times are divided by this. */
  speed: number;
  /** Arrivals come early while fewer leases are under way than `least`, and wait while there are `most`. */
  going: { least: number; most: number };
  /** No new request from then on; leases under way go on to their end. */
  arrivalsEnd: AbortSignal;
  /** Breaks everything off. */
  signal: AbortSignal;
  now(): number;
}

export interface LoadResult {
  requested: number;
  acks: readonly AckRecord[];
  /** What clients met that the API should not have answered, or that kept them from their end. */
  complaints: readonly string[];
}

export interface Load {
  /** How many leases are under way. */
  going(): number;
  /** What clients were told so far. Ends those that are still at it. */
  stop(): LoadResult;
}

const HEARTBEAT_MS = 10_000;
/** How long a client bears that the fleet is away. */
const PATIENCE_MS = 180_000;
const WAIT_MS = 10 * 60_000;
const CROWD_LOOK_MS = 50;

/** Users of the fleet: each asks under a key of its own, waits, holds, heartbeats and completes, whatever falls. */
export function startLoad(options: LoadOptions): Load {
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const run: Run = { ...options, signal, acks: [], complaints: [], users: new Set(), requested: 0 };
  void arrive(run);
  return {
    going: () => run.users.size,
    stop() {
      ending.abort();
      const { requested, acks, complaints } = run;
      return { requested, acks: [...acks], complaints: [...complaints] };
    },
  };
}

interface Run extends LoadOptions {
  acks: AckRecord[];
  complaints: string[];
  users: Set<Promise<void>>;
  requested: number;
}

async function arrive(run: Run): Promise<void> {
  const stopped = AbortSignal.any([run.arrivalsEnd, run.signal]);
  const passMs = ((run.tasks.at(-1)?.arrivalSeconds ?? 0) * 1000) / run.speed + 1000;
  const startedMs = performance.now();
  for (let pass = 0; !stopped.aborted; pass += 1) {
    for (const task of run.tasks) {
      const dueMs = startedMs + pass * passMs + (task.arrivalSeconds * 1000) / run.speed;
      await untilTurn(run, dueMs, stopped);
      if (stopped.aborted) break;
      begin(run, task);
    }
  }
}

/** A trace's lulls would have blows fall on an idle fleet, its bursts would only queue up. */
async function untilTurn({ users, going }: Run, dueMs: number, stopped: AbortSignal): Promise<void> {
  const isTurn = (): boolean =>
    users.size < going.least || (users.size < going.most && performance.now() >= dueMs);
  while (!isTurn() && !stopped.aborted) await rest(CROWD_LOOK_MS, stopped);
}

function begin(run: Run, task: Task): void {
  run.requested += 1;
  const user = useLease(run, task)
    .catch((error: unknown) => complain(run, task, error))
    .finally(() => run.users.delete(user));
  run.users.add(user);
}

/** What ended a lease from outside is no complaint: the audit and the final count judge how each one ended. */
function complain(run: Run, task: Task, error: unknown): void {
  if (run.signal.aborted) return;
  const isOurs = error instanceof ClientError;
  if (isOurs && error.code === 'lease_ended') return;
  const why = isOurs ? `${error.message} (${error.code}, ${error.status})` : String(error);
  run.complaints.push(`task of line ${task.line}: ${why}`);
}

async function useLease(run: Run, task: Task): Promise<void> {
  const { client, signal } = run;
  const patient = { signal, retryForMs: PATIENCE_MS };
  const told = (lease: Lease): Lease => {
    run.acks.push({ type: 'ack', at: run.now(), lease: lease.id, state: lease.state });
    return lease;
  };
  const asked = told(
    await client.requestLease(toRequest(task), { ...patient, idempotencyKey: randomUUID() }),
  );
  const lease = told(await client.waitForLease(asked.id, { ...patient, timeoutMs: WAIT_MS }));
  if (lease.state !== 'active') return;
  let leftMs = (task.holdSeconds * 1000) / run.speed;
  for (; leftMs > HEARTBEAT_MS; leftMs -= HEARTBEAT_MS) {
    await rest(HEARTBEAT_MS, signal);
    told(await client.heartbeat(lease.id, patient));
  }
  await rest(leftMs, signal);
  told(await client.complete(lease.id, 'completed', patient));
}

function toRequest({ selector, priority }: Task): LeaseRequest {
  const { pool, tags = [], ...rest } = selector;
  return { ...(pool !== undefined && { pool }), ...rest, tags: [...tags], priority };
}

/** Cut short by its signal, without a word. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
