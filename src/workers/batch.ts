import { FleetError } from '../fleet/errors.ts';
import type { BatchJob, Outcome, Ports, Worker } from '../fleet/ports.ts';
import type { BatchCall, Look, Provider } from '../fleet/provider.ts';
import type { Batch } from '../fleet/store.ts';
import { claimUntil, later } from './step.ts';

/** How soon a batch whose lane is busy looks again, in case its wake was lost. */
const LANE_LOOK_MS = 500;
const LOOK_LEAST_MS = 10;
const RETRY_LEAST_MS = 250;
const RETRY_MOST_MS = 30_000;

/**
 * One batch from its closing to its end: closes it once its lane is free, sends its one call, and looks at what came
 * of it until every member has its outcome. A look answers every batch of the lane that is due.
 */
export const batch: Worker<BatchJob> = async (ports, job, signal) => {
  const seen = await ports.store.lookBatch(job.batch);
  if (seen === undefined || seen.state === 'ended') return { kind: 'done' };
  if (seen.state === 'open') return open(ports, seen, signal);
  return seen.state === 'closed' ? replay(ports, seen, signal) : watch(ports, seen, signal);
};

const by = (of: Batch): string => `batch.${of.id}`;

async function open(ports: Ports, seen: Batch, signal: AbortSignal): Promise<Outcome> {
  const now = ports.clock.now();
  if (seen.closeAt > now) return { kind: 'later', until: seen.closeAt, why: 'collecting' };
  const closed = await ports.store.closeBatch({
    batch: seen.id,
    by: by(seen),
    now,
    until: claimUntil(ports),
  });
  if (closed === undefined) return later(ports, LANE_LOOK_MS, 'its lane is busy, or its verb is frozen');
  return send(ports, closed, signal);
}

/** Its sender is gone, or was put off: the same call goes out again under the same token. */
async function replay(ports: Ports, seen: Batch, signal: AbortSignal): Promise<Outcome> {
  const now = ports.clock.now();
  const waitsUntil = seen.claimedUntil !== null && seen.claimedUntil > now ? seen.claimedUntil : seen.closeAt;
  if (waitsUntil > now) return { kind: 'later', until: waitsUntil, why: 'being sent, or put off' };
  const replaySafe = ports.provider(seen.placement).capabilities.replaySafe.includes(seen.verb);
  const claim = { batch: seen.id, by: by(seen), now, until: claimUntil(ports), replaySafe };
  const claimed = await ports.store.claimBatch(claim);
  return claimed === undefined
    ? later(ports, LANE_LOOK_MS, 'claimed elsewhere')
    : send(ports, claimed, signal);
}

async function send(ports: Ports, claimed: Batch, signal: AbortSignal): Promise<Outcome> {
  if (claimed.members.length === 0) return record(ports, claimed, NOTHING);
  const provider = ports.provider(claimed.placement);
  const kept = ports.claims.keep(claimed);
  try {
    const look = await provider[claimed.verb](toCall(claimed), AbortSignal.any([signal, kept.signal]));
    return await record(ports, claimed, look);
  } catch (error) {
    return await afterFailure(ports, claimed, error);
  } finally {
    kept.letGo();
  }
}

/** What a batch ends with whose members all left it while it was open. */
const NOTHING: Look = {
  handle: null,
  holdsLane: false,
  lookInMs: 0,
  outcomes: {},
  launched: [],
  settled: true,
};

function toCall(from: Batch): BatchCall {
  const { id, verb, placement, members, handle } = from;
  return { batch: id, verb, placement, members, handle };
}

/** One poll answers all batches of the lane whose look is due; each writes its own members' outcomes. */
async function watch(ports: Ports, seen: Batch, signal: AbortSignal): Promise<Outcome> {
  const now = ports.clock.now();
  const waitsUntil = latest(seen.lookAt, seen.claimedUntil);
  if (waitsUntil !== null && waitsUntil > now)
    return { kind: 'later', until: waitsUntil, why: 'not due yet' };
  const claimed = await ports.store.claimLane({
    lane: seen.lane,
    by: by(seen),
    now,
    until: claimUntil(ports),
  });
  if (claimed.length === 0) return later(ports, LANE_LOOK_MS, 'claimed elsewhere');
  const outcomes = new Map<string, Outcome>();
  for (const [provider, due] of Map.groupBy(claimed, (each) => ports.provider(each.placement))) {
    for (const [id, outcome] of await poll({ ports, provider, due, signal })) outcomes.set(id, outcome);
  }
  return outcomes.get(seen.id) ?? later(ports, LANE_LOOK_MS, 'claimed elsewhere');
}

async function poll(on: {
  ports: Ports;
  provider: Provider;
  due: readonly Batch[];
  signal: AbortSignal;
}): Promise<Map<string, Outcome>> {
  const { ports, due } = on;
  const kept = due.map((each) => ports.claims.keep(each));
  const outcomes = new Map<string, Outcome>();
  try {
    const looks = await on.provider.poll(due.map(toCall), on.signal);
    for (const [index, each] of due.entries()) {
      const look = looks[index];
      if (look !== undefined) outcomes.set(each.id, await record(ports, each, look));
    }
  } catch (error) {
    for (const each of due)
      if (!outcomes.has(each.id)) outcomes.set(each.id, await putOff(ports, each, error));
  } finally {
    for (const each of kept) each.letGo();
  }
  return outcomes;
}

async function record(ports: Ports, claimed: Batch, look: Look): Promise<Outcome> {
  const now = ports.clock.now();
  const pools = await ports.store.pools();
  const write = { batch: claimed.id, token: claimed.token, look, by: by(claimed), now, pools };
  const recorded = await ports.store.recordLook(write);
  ports.jobs.nudge();
  for (const pool of recorded.pools) await ports.jobs.scale(pool);
  if (!recorded.recorded) return later(ports, LANE_LOOK_MS, 'claimed elsewhere');
  return recorded.ended
    ? { kind: 'done' }
    : later(ports, Math.max(LOOK_LEAST_MS, look.lookInMs), 'waits for the cloud');
}

/**
 * A refusal that no retry mends is every member's failure. Anything else is sent again, under the same token: also,
 * and above all, a call that may have been executed although no answer came.
 */
async function afterFailure(ports: Ports, claimed: Batch, error: unknown): Promise<Outcome> {
  if (!(error instanceof FleetError)) throw error;
  const retries = error.remedy === 'retry' || error.remedy === 'retry-later';
  if (retries || error.maybeExecuted) return putOff(ports, claimed, error);
  const now = ports.clock.now();
  const pools = await ports.store.pools();
  const failure = error.message;
  await ports.store.failBatch({
    batch: claimed.id,
    token: claimed.token,
    failure,
    by: by(claimed),
    now,
    pools,
  });
  ports.jobs.nudge();
  ports.log.warn({ batch: claimed.id, verb: claimed.verb, err: error }, 'the cloud refused a batch');
  return { kind: 'done', note: error.message };
}

async function putOff(ports: Ports, claimed: Batch, error: unknown): Promise<Outcome> {
  if (!(error instanceof FleetError)) throw error;
  const growing = Math.min(RETRY_MOST_MS, RETRY_LEAST_MS * 2 ** Math.min(claimed.failures, 7));
  const now = ports.clock.now();
  const until = new Date(
    now.getTime() + Math.max(error.retryAfterMs ?? 0, error.retryAfterMs === undefined ? growing : 1),
  );
  const { id, token } = claimed;
  const failure = error.message;
  await ports.store.delayBatch({ batch: id, token, until, failure, now, inDoubt: error.maybeExecuted });
  return { kind: 'later', until, why: error.message };
}

function latest(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}
