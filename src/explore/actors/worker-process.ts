import { FleetError } from '../../fleet/errors.ts';
import type { Outcome, Ports } from '../../fleet/ports.ts';
import { createPorts, type HeldLocks, LOCK_MS, noteError } from '../ports.ts';
import { CONCURRENCY, QUEUES, type QueueName } from '../queues/queue-names.ts';
import type { Job, JobEnd } from '../queues/queues.ts';
import type { Choice, Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';
import { startPulse } from './pulse.ts';
import { startRelay } from './relay.ts';

const RENEW_MS = 3000;
const LATER_MS = 1000;

interface Fetch {
  id: string;
  queue: QueueName;
  token: number;
  abort: AbortController;
}

/** One worker process: it fetches jobs, works them over its ports, delivers bells and keeps the pulse. */
export function startWorkerProcess(world: RunWorld, name: string): Process {
  const { scheduler } = world;
  const process = scheduler.start(name);
  const held: HeldLocks = new Map();
  const nudge = startRelay(world, process);
  const host: Host = {
    world,
    process,
    held,
    fetches: new Set(),
    ports: createPorts(world, process, { held, nudge }),
  };
  startPulse(world, process);
  scheduler.offer(() => (process.state === 'running' ? fetchable(host) : []));
  const renew = (): void => {
    renewAll(host);
    scheduler.timer(process, RENEW_MS, { label: `${name} renews its locks`, fire: renew });
  };
  scheduler.timer(process, RENEW_MS, { label: `${name} renews its locks`, fire: renew });
  return process;
}

interface Host {
  world: RunWorld;
  process: Process;
  ports: Ports;
  held: HeldLocks;
  fetches: Set<Fetch>;
}

function fetchable(host: Host): Choice[] {
  const { world, process } = host;
  return QUEUES.filter((queue) => hasRoom(host, queue) && world.queues.hasWaiting(queue)).map((queue) => ({
    label: `${process.name} fetches from ${queue}`,
    fire() {
      const job = world.queues.fetch(queue, process);
      if (job === undefined) return;
      world.scheduler.note(`${process.name} begins ${job.id}`);
      void runJob(host, job);
    },
  }));
}

function hasRoom(host: Host, queue: QueueName): boolean {
  let busy = 0;
  for (const fetch of host.fetches) busy += Number(fetch.queue === queue);
  return busy < CONCURRENCY[queue];
}

async function runJob(host: Host, job: Job): Promise<void> {
  const { world, process } = host;
  const { id, queue, token } = job;
  const fetch: Fetch = { id, queue, token, abort: new AbortController() };
  host.fetches.add(fetch);
  const fromMs = world.scheduler.nowMs();
  const how = await work(host, job, fetch.abort.signal);
  if (queue === 'reconcile' && isWhole(how)) world.rounds.push({ fromMs, toMs: world.scheduler.nowMs() });
  const label = `ends ${id} (${describe(how)})`;
  await world.scheduler.call(process, { label, run: () => world.queues.end(id, token, how), brief: String });
  host.fetches.delete(fetch);
}

async function work(host: Host, job: Job, signal: AbortSignal): Promise<JobEnd> {
  const { world, ports } = host;
  try {
    return { kind: 'outcome', outcome: await job.work({ workers: world.workers, ports, signal }) };
  } catch (error) {
    return afterError(world, job.id, error);
  }
}

/** As the worker host tells BullMQ: `retry` burns an attempt, what another side has asked us to wait for does not. */
function afterError(world: RunWorld, id: string, error: unknown): JobEnd {
  noteError(world, id, error);
  if (!(error instanceof FleetError)) return { kind: 'error' };
  switch (error.remedy) {
    case 'retry-later':
    case 'retry-elsewhere': {
      const until = new Date(world.scheduler.nowMs() + (error.retryAfterMs ?? LATER_MS));
      return { kind: 'outcome', outcome: { kind: 'later', until, why: error.message } };
    }
    case 'give-up':
    case 'gone':
      return { kind: 'unrecoverable' };
    case 'retry':
      return { kind: 'error' };
  }
}

/** A round notes the parts that it could not do. */
function isWhole(how: JobEnd): boolean {
  return how.kind === 'outcome' && how.outcome.kind === 'done' && how.outcome.note === undefined;
}

function describe(how: JobEnd): string {
  if (how.kind !== 'outcome') return how.kind;
  const { outcome } = how;
  return `${outcome.kind} ${reason(outcome)}`;
}

function reason(outcome: Outcome): string {
  if (outcome.kind === 'done') return outcome.note ?? '';
  return outcome.why;
}

/** Locks last as long as their process renews them; a fetch or a lock that is lost is told to whoever works under it. */
function renewAll(host: Host): void {
  const { world, held, fetches } = host;
  const untilMs = world.scheduler.nowMs() + LOCK_MS;
  for (const [key, { owner, abort }] of held) {
    if (world.locks.keep(key, owner, untilMs)) continue;
    held.delete(key);
    abort.abort(new Error('the machine lock was lost'));
  }
  const lost = new Set(world.queues.renew([...fetches]));
  for (const fetch of fetches) if (lost.has(fetch)) fetch.abort.abort(new Error('its lock was lost'));
}
