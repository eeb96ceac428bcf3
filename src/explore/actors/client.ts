import type { LeaseRequest, Lease } from '../../fleet/pool.ts';
import type { Leasing } from '../../fleet/leasing.ts';
import type { ClientPlan, RunWorld } from '../world.ts';
import type { Api } from './api.ts';

const HEARTBEAT_TIMEOUT_MS = 15_000;
const MAX_DURATION_MS = 60_000;
const MAX_RETRIES = 2;
/** How often a client asks before it gives up, or looks. */
const TRIES = 60;
const LOOKS = 400;

interface Client {
  world: RunWorld;
  api: Api;
  plan: ClientPlan;
}

/**
 * A user: asks for a machine, holds it for a while, ends its lease, and looks until it has ended; where its machine is
 * lost it goes on with the lease that takes its place.
 */
export function startClient(world: RunWorld, api: Api, plan: ClientPlan): void {
  const client: Client = { world, api, plan };
  const label = `${plan.name} asks for a machine`;
  world.scheduler.timer(null, plan.startsInMs, { label, fire: () => void live(client) });
}

async function live(client: Client): Promise<void> {
  const lease = await request(client);
  if (lease === undefined) return;
  const { habit } = client.plan;
  if (habit === 'cancels' && client.world.isChaos) {
    client.world.count('cancelled');
    await end(client, lease.id, 'cancelled');
  }
  let next: string | null = lease.id;
  for (let retries = 0; retries <= MAX_RETRIES && next !== null; retries += 1) next = await use(client, next);
}

/** Answers the lease that takes the place of this one, if any does. */
async function use(client: Client, lease: string): Promise<string | null> {
  const active = await watch(client, lease, (seen) => seen.state !== 'pending');
  if (active?.state === 'active') await hold(client, active);
  const last = await watch(client, lease, (seen) => seen.endedAt !== null || seen.retriedBy !== null);
  return last?.retriedBy ?? null;
}

function sleep(client: Client, ms: number): Promise<void> {
  const { scheduler } = client.world;
  return new Promise((resolve) => {
    scheduler.timer(null, ms, { label: `${client.plan.name} goes on`, fire: resolve });
  });
}

/** Asks until there is an answer: a request that may or may not have come through is sent again under its key. */
async function ask(
  client: Client,
  serve: (leasing: Leasing) => Promise<Lease | undefined>,
): Promise<Lease | undefined> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      const lease = await client.api.ask(serve);
      if (lease !== undefined) acknowledge(client, lease);
      return lease;
    } catch {
      await sleep(client, 500);
    }
  }
  return undefined;
}

function acknowledge({ world, plan }: Client, lease: Lease): void {
  world.scheduler.note(`${plan.name} is told that ${lease.id} is ${lease.state}`);
  world.history.push({ type: 'ack', at: world.scheduler.nowMs(), lease: lease.id, state: lease.state });
}

async function request(client: Client): Promise<Lease | undefined> {
  const { name, pool, priority, waitTimeoutMs } = client.plan;
  const asked: LeaseRequest = {
    ...{ owner: name.slice(0, 2), selector: { pool }, priority, idempotencyKey: name },
    ...{ waitTimeoutMs, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS, maxDurationMs: MAX_DURATION_MS },
    maxRetries: MAX_RETRIES,
  };
  return ask(client, async (leasing) => {
    const answer = await leasing.request({ request: asked, digest: name, by: name });
    return 'lease' in answer ? answer.lease : undefined;
  });
}

/** Looks at its lease until that is as it waits for; undefined where that never came. */
async function watch(
  client: Client,
  lease: string,
  isThere: (seen: Lease) => boolean,
): Promise<Lease | undefined> {
  const { name } = client.plan;
  const owner = name.slice(0, 2);
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const seen = await ask(client, (leasing) => leasing.read({ lease, owner }));
    if (seen !== undefined && isThere(seen)) return seen;
    await sleep(client, client.world.random.between(1500, 4000));
  }
  return undefined;
}

async function hold(client: Client, lease: Lease): Promise<void> {
  const { world, plan } = client;
  const untilMs = world.scheduler.nowMs() + plan.holdsMs;
  const owner = plan.name.slice(0, 2);
  while (world.scheduler.nowMs() < untilMs) {
    await sleep(client, Math.min(HEARTBEAT_TIMEOUT_MS / 3, Math.max(1, untilMs - world.scheduler.nowMs())));
    const seen = await ask(client, (leasing) => leasing.heartbeat({ lease: lease.id, owner }));
    if (seen?.state !== 'active') return;
    if (plan.habit === 'vanishes' && world.isChaos) {
      world.count('clientGone');
      return;
    }
  }
  await end(client, lease.id, 'completed');
}

async function end(client: Client, lease: string, outcome: 'completed' | 'cancelled'): Promise<void> {
  const { name } = client.plan;
  await ask(client, (leasing) => leasing.end({ lease, owner: name.slice(0, 2), outcome, by: name }));
}
