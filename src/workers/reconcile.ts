import { matchPool } from '../fleet/leasing.ts';
import { dayOf } from '../fleet/machine-hours.ts';
import type { Pool } from '../fleet/pool.ts';
import type { Outcome, Ports, ReconcileJob, Worker } from '../fleet/ports.ts';
import { type Ring, ringKey } from '../fleet/reconcile-acts.ts';
import { sweep, sweptPlacements } from './sweep.ts';

/** How much one round does of each kind, or at once; what is left over is the next round's. */
const LIMIT = 500;
/** A bound on the pages of owed steps in one round: a million steps, more than any fleet owes. */
const PAGES = 2000;
const PURGE_EVERY_ROUNDS = 60;

/**
 * One round of comparing what is with what should be: overdue machines and leases go to their named recovery, owed
 * steps without a job are rung again, clouds and database are compared. Safe in several processes at once: every part
 * is a guarded write. A part that fails does not keep the others from running.
 */
export const reconcile: Worker<ReconcileJob> = async (ports, job, signal) => {
  const sweepEvery = Math.max(1, Math.round(ports.settings.sweepMs / ports.settings.reconcileMs));
  const pools = await ports.store.pools();
  const parts: (() => Promise<void>)[] = [
    () => recoverMachines(ports, pools),
    () => expireLeases(ports),
    () => ringOwed(ports),
    () => noteHours(ports, pools),
    () => matchAll(ports, pools),
    ...(job.round % sweepEvery === 0
      ? pools.flatMap(sweptPlacements).map((placement) => () => sweep(placement, { ports, by: BY, signal }))
      : []),
    ...(job.round % PURGE_EVERY_ROUNDS === 0 ? [() => purge(ports)] : []),
  ];
  const failures: unknown[] = [];
  for (const part of parts) {
    await part().catch((err: unknown) => {
      failures.push(err);
      ports.log.warn(
        { err, round: job.round },
        'part of a reconcile round failed; the next round does it again',
      );
    });
  }
  ports.jobs.nudge();
  return outcome(failures);
};

const BY = 'reconcile';

function outcome(failures: readonly unknown[]): Outcome {
  return failures.length === 0 ? { kind: 'done' } : { kind: 'done', note: `${failures.length} parts failed` };
}

/** Told once, when a limit is reached and when it holds nothing back any more; then its pools may grow again. */
async function noteHours(ports: Ports, pools: readonly Pool[]): Promise<void> {
  const now = ports.clock.now();
  for (const { reached, ...turn } of await ports.store.noteMachineHours({ now, by: BY })) {
    const fields = { ...turn, pool: turn.pool ?? 'all' };
    if (reached) {
      ports.log.warn({ ...fields, until: dayOf(now).end }, HOURS_REACHED);
      continue;
    }
    ports.log.info(fields, 'the daily limit on machine-hours holds launches back no longer');
    for (const pool of pools)
      if (turn.pool === null || turn.pool === pool.name) await ports.jobs.scale(pool.name);
  }
}

const HOURS_REACHED =
  'the daily limit on machine-hours is reached: nothing is launched until midnight UTC, unless maxMachineHoursPerDay is raised';

async function recoverMachines(ports: Ports, pools: readonly Pool[]): Promise<void> {
  const now = ports.clock.now();
  for (const machine of await ports.store.overdueMachines({ now, limit: LIMIT })) {
    if (machine.deadlineAt === null) continue;
    const deadlines = pools.find((pool) => pool.name === machine.pool)?.deadlines ?? {};
    const act = { machine: machine.id, by: BY, now: ports.clock.now(), deadlines };
    const recovered = await ports.store.recover({ ...act, seenDeadline: machine.deadlineAt });
    if (!recovered.granted) continue;
    ports.log.warn(
      { machine: machine.id, state: machine.state, failure: machine.failure },
      'recovered an overdue machine',
    );
  }
}

async function expireLeases(ports: Ports): Promise<void> {
  const expired = await ports.store.expireLeases({ now: ports.clock.now(), by: BY, limit: LIMIT });
  for (const lease of expired)
    ports.log.warn({ lease: lease.id, reason: lease.reason }, 'ended an overdue lease');
}

/**
 * Whatever Redis forgot: a step that is owed, or a batch under way, and no job that will see to it. Most of what is
 * owed has its job, which only Redis can tell: a round that did not look at all of it would pass over what was lost.
 */
async function ringOwed(ports: Ports): Promise<void> {
  const before = ports.clock.now();
  let after: string | null = null;
  for (let page = 1; page <= PAGES; page += 1) {
    const now = ports.clock.now();
    const owed: readonly Ring[] = await ports.store.unattended({ now, before, after, limit: LIMIT });
    await ringPage(ports, owed, { now, page });
    const last = owed.at(-1);
    if (last === undefined || owed.length < LIMIT) return;
    after = ringKey(last);
  }
}

/** Tells what it saw of every step without a job; of those with one, which may be thousands, only what is first. */
async function ringPage(
  ports: Ports,
  owed: readonly Ring[],
  { now, page }: { now: Date; page: number },
): Promise<void> {
  const live = await ports.jobs.live(owed.flatMap(jobsOf));
  const graceMs = ports.settings.reconcileMs / 2;
  const seen: Parameters<Ports['witness']>[0][] = [];
  for (const ring of owed) {
    const isLive = jobsOf(ring).some((job) => live.has(job.id));
    const isOld = now.getTime() - ring.since.getTime() >= graceMs;
    const rung = !isLive && isOld && (await ports.store.ringAgain({ ring, now }));
    if (!isLive || page === 1) seen.push({ at: now, ring, live: isLive, rung });
  }
  await Promise.all(seen.map(ports.witness));
}

/** The jobs that would see to it: the flow's, and the last one rung. */
function jobsOf(ring: Ring): { queue: string; id: string }[] {
  if (ring.kind === 'batch') return ids('batch', `batch.${ring.batch}`, ring.ring);
  return ring.step === null ? [] : ids(ring.step, `${ring.step}.${ring.intent}`, ring.ring);
}

function ids(queue: string, stem: string, ring: number): { queue: string; id: string }[] {
  return [...new Set([0, ring])].map((each) => ({ queue, id: `${stem}.${each}` }));
}

async function matchAll(ports: Ports, pools: readonly Pool[]): Promise<void> {
  for (const pool of pools) await matchPool(ports, { pool, by: BY });
}

async function purge(ports: Ports): Promise<void> {
  const now = ports.clock.now();
  const before = new Date(now.getTime() - ports.settings.retentionMs);
  await ports.store.purge({ before, now, limit: LIMIT });
}
