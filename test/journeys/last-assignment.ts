import { setTimeout as pause } from 'node:timers/promises';
import type { AckRecord } from '../../src/audit/history.ts';
import type { Lease } from '../../src/client/shapes.ts';
import { createRandomness, type Randomness } from '../../src/emulators/randomness.ts';
import type { EmulatedFleet } from './emulated-fleet.ts';
import { median } from './quantiles.ts';

export interface Stage {
  fleet: EmulatedFleet;
  pool: string;
  /** How many machines, and tasks. */
  n: number;
  /** True where a ready machine waits for the last task; otherwise the last task waits for its machine. */
  machineWaits: boolean;
  rounds: number;
  seed: number;
  /** What the tasks were told, for the history. */
  acks: AckRecord[];
}

/** One run of the scenario, as the database's commits tell it. */
export interface Round {
  leases: readonly string[];
  /** When each of the others finished, in milliseconds from the last one's assignment: negative is before. */
  offsetsMs: readonly number[];
  /** From the last one's request to its assignment. */
  leadMs: number;
}

/** Rounds that the next moment is foretold from. */
const REMEMBERED = 9;
const FIRST_LEAD_MS = 100;

/**
 * Plays the scenario again and again in one pool: n machines and n tasks, all but the last one running; the last one
 * is assigned its machine, and around that very moment all the others finish, with a seeded spread.
 */
export async function playLastAssignment(stage: Stage): Promise<Round[]> {
  const draw = createRandomness(stage.seed);
  const rounds: Round[] = [];
  /** How long after the last task's request the others had to be told to finish, to hit the moment. */
  const leads = [FIRST_LEAD_MS];
  for (let index = 0; index < stage.rounds; index += 1) {
    const leadMs = median(leads.slice(-REMEMBERED));
    const shiftsMs = drawShifts(draw, stage.n - 1);
    const round = await playOnce(stage, { leadMs, shiftsMs, holdMs: draw.between(0, 20) });
    rounds.push(round);
    leads.push(stage.machineWaits ? leadMs - missedByMs(round, shiftsMs) : round.leadMs);
  }
  return rounds;
}

function missedByMs({ offsetsMs }: Round, shiftsMs: readonly number[]): number {
  return median(offsetsMs.map((offsetMs, index) => offsetMs - (shiftsMs[index] ?? 0)));
}

/** A third of the rounds aims at one moment for all; in the others each task is up to 10 or 50 ms off by itself. */
function drawShifts(draw: Randomness, count: number): number[] {
  const widthMs = [0, 10, 50][draw.between(0, 2)] ?? 0;
  return Array.from({ length: count }, () => draw.between(-widthMs, widthMs));
}

interface Timing {
  leadMs: number;
  shiftsMs: readonly number[];
  holdMs: number;
}

/** A moment that lies ahead is foretold from the rounds before; one that has come is heard of. */
async function playOnce(stage: Stage, { leadMs, shiftsMs, holdMs }: Timing): Promise<Round> {
  const others = await Promise.all(shiftsMs.map(() => begin(stage)));
  if (stage.machineWaits) await untilMachineWaits(stage);
  // Those who are to finish before the request is even sent have it wait for them.
  const startMs = Math.max(0, ...shiftsMs.map((shiftMs) => -(leadMs + shiftMs)));
  const requested = pause(startMs);
  const assigned = requested.then(() => begin(stage));
  const [last] = await Promise.all([
    assigned,
    assigned.then((lease) => pause(holdMs).then(() => finish(stage, lease))),
    ...others.map(async (lease, index) => {
      const shiftMs = shiftsMs[index] ?? 0;
      const foretold = pause(startMs + leadMs + shiftMs);
      await (shiftMs < 0 ? foretold : Promise.race([foretold, assigned.then(() => pause(shiftMs))]));
      await finish(stage, lease);
    }),
  ]);
  const leases = [...others.map(({ id }) => id), last.id];
  await untilCompleted(stage, leases);
  return { leases, ...(await readMoments(stage, leases)) };
}

async function begin({ fleet, pool, acks }: Stage): Promise<Lease> {
  const asked = await fleet.client.requestLease({ pool });
  const lease = await fleet.client.waitForLease(asked.id, { timeoutMs: 30_000 });
  for (const told of [asked, lease])
    acks.push({ type: 'ack', at: Date.now(), lease: told.id, state: told.state });
  if (lease.state !== 'active') throw new Error(`lease ${lease.id} got no machine: ${lease.reason}`);
  return lease;
}

async function finish({ fleet, acks }: Stage, { id }: Lease): Promise<void> {
  const told = await fleet.client.complete(id, 'completed');
  acks.push({ type: 'ack', at: Date.now(), lease: id, state: told.state });
}

async function untilMachineWaits({ fleet, pool }: Stage): Promise<void> {
  await fleet.until(`a ready machine in ${pool}`, async () => {
    const rows = await fleet.sql(`select id from machine where pool = $1 and state = 'ready'`, [pool]);
    return rows[0];
  });
}

/** Completed means released: the release is the one commit that ends a lease. */
async function untilCompleted({ fleet, pool }: Stage, leases: readonly string[]): Promise<void> {
  await fleet.until(`the leases of a round in ${pool} to complete`, async () => {
    const open = await fleet.sql(`select id from lease where id = any($1::uuid[]) and state <> 'completed'`, [
      leases,
    ]);
    return open.length === 0 ? true : undefined;
  });
}

async function readMoments(
  { fleet }: Stage,
  leases: readonly string[],
): Promise<Pick<Round, 'offsetsMs' | 'leadMs'>> {
  const rows = await fleet.sql(MOMENTS, [leases]);
  const at = (lease: string, state: string): number =>
    Number(rows.find((row) => row['lease'] === lease && row['state'] === state)?.['ms']);
  const last = leases.at(-1) ?? '';
  const assignedMs = at(last, 'active');
  return {
    offsetsMs: leases.slice(0, -1).map((lease) => at(lease, 'ending') - assignedMs),
    leadMs: assignedMs - at(last, 'pending'),
  };
}

/** A server that keeps no commit times leaves the writers' own. */
const MOMENTS = `select subject as lease, to_state as state, extract(epoch from case current_setting('track_commit_timestamp')
    when 'on' then pg_xact_commit_timestamp(xmin) else at end) * 1000 as ms
  from transition where entity = 'lease' and subject = any($1::text[]) and from_state is distinct from to_state`;
