import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit, countViolations } from '../../src/audit/audit.ts';
import type { AckRecord, HistoryRecord, MachineRecord } from '../../src/audit/history.ts';
import type { Pool } from '../../src/fleet/pool.ts';
import { copyScaleSet } from './copy-scale-set.ts';
import { type EmulatedFleet, startEmulatedFleet } from './emulated-fleet.ts';
import { playLastAssignment, type Round } from './last-assignment.ts';
import { sayDistribution } from './quantiles.ts';

/** A hundred rounds on each cloud, shared among pools that play at the same time: Azure's calls take longer. */
const POOLS = { aws: { count: 4, rounds: 25 }, azure: { count: 5, rounds: 20 } } as const;
const DELETION_FOLLOWS_WITHIN_MS = 10_000;

interface Place {
  pool: string;
  cloud: 'aws' | 'azure';
  /** How many machines, and tasks. */
  n: number;
  rounds: number;
  /** In every other pool a ready machine waits for the last task; in the others the last task waits for its machine. */
  machineWaits: boolean;
  halt: Pool['halt'];
}

/** Writes to one scale set go one after another, so that each pool on Azure has a set of its own. */
const PLACES = (['aws', 'azure'] as const).flatMap((cloud) =>
  Array.from({ length: POOLS[cloud].count }, (_, index): Place => {
    const { rounds } = POOLS[cloud];
    const halt = cloud === 'aws' && index < 2 ? 'power-off' : 'none';
    const n = index < 2 ? 4 : 3;
    return { pool: `${cloud}-${index}`, cloud, n, rounds, machineWaits: index % 2 === 0, halt };
  }),
);

let fleet: EmulatedFleet;
beforeAll(async () => {
  fleet = await startEmulatedFleet({
    ...{ speed: 1000, seed: 7, workers: 2 },
    async pools(example, clouds) {
      const azurePools = PLACES.filter(({ cloud }) => cloud === 'azure').map(({ pool }) => pool);
      await copyScaleSet(clouds, azurePools);
      return PLACES.map((place) => aPool(example[place.cloud], place));
    },
  });
});
afterAll(() => fleet.stop());

/** Deleted after use; idle machines go soon too, so that deletions of both kinds meet. */
function aPool(like: Pool, { pool, cloud, n, machineWaits, halt }: Place): Pool {
  const [first] = like.placements;
  if (first === undefined || like.probe.kind === 'none') throw new Error('the example has changed');
  const own = cloud === 'azure' ? { scaleSet: pool } : {};
  return {
    ...like,
    ...{ name: pool, placements: [{ ...first, pool, spec: { ...(first.spec as object), ...own } }] },
    ...{ minIdle: machineWaits ? 1 : 0, max: 3 * n, recycle: 'delete', idleTimeoutMs: 200 },
    probe: { ...like.probe, intervalMs: 20 },
    halt,
  };
}

test('the last task is assigned while all the others finish: nothing sticks, and each deletion follows its release', async () => {
  const acks: AckRecord[] = [];
  const startedMs = performance.now();
  const rounds = (
    await Promise.all(
      PLACES.map(({ pool, n, rounds: count, machineWaits }, index) =>
        playLastAssignment({ fleet, pool, machineWaits, n, rounds: count, seed: index + 1, acks }),
      ),
    )
  ).flat();
  const playedMs = performance.now();
  const states = await fleet.shrink();
  const history = await fleet.history(acks);

  expect(rounds).toHaveLength(200);
  expect(await fleet.failedJobs()).toEqual([]);
  expect((await fleet.troubles()).filter((line) => !isLateRenewal(line))).toEqual([]);
  const gapsMs = judgeDeletions(history, rounds);
  const moments = judgeMoments(rounds.flatMap(({ offsetsMs }) => offsetsMs));
  judge(history);
  for (const { launched, deleted } of Object.values(states)) {
    expect(launched).toBeGreaterThanOrEqual((rounds.length / 2) * 3);
    expect(deleted).toBe(launched);
  }
  console.log(
    [
      `${rounds.length} rounds in ${((playedMs - startedMs) / 1000).toFixed(1)} s`,
      `finished, in ms from the assignment: ${moments}`,
      `release commit to delete claim, ms: ${sayDistribution(gapsMs)}`,
    ].join('\n'),
  );
}, 600_000);

/** A machine that is too busy to renew BullMQ's locks in time says so; the jobs are run again, or have ended by then. */
function isLateRenewal(line: string): boolean {
  return line.includes('could not renew lock for job');
}

/** Every task's machine is claimed for deletion after the commit that released it, and soon; answers how soon. */
function judgeDeletions(history: readonly HistoryRecord[], rounds: readonly Round[]): number[] {
  const moves = Map.groupBy(
    history.filter((record) => record.type === 'machine').filter(({ from, to }) => from !== to),
    ({ machine }) => machine,
  );
  const machineOf = new Map(
    history.flatMap((record) =>
      record.type === 'lease' && record.to === 'completed' ? [[record.lease, record.machine ?? '']] : [],
    ),
  );
  return rounds
    .flatMap(({ leases }) => leases)
    .map((lease) => {
      const [released, ...more] = (moves.get(machineOf.get(lease) ?? '') ?? [])
        .toSorted((a, b) => a.seq - b.seq)
        .filter(({ to }) => to === 'released' || to === 'deleting');
      const [claimed] = more;
      if (released === undefined || claimed === undefined)
        throw new Error(`lease ${lease} left no such moves`);
      expect([released.to, claimed.to, more.length]).toEqual(['released', 'deleting', 1]);
      return gapMs(released, claimed);
    });
}

function gapMs(released: MachineRecord, claimed: MachineRecord): number {
  const ms = claimed.committedAt - released.committedAt;
  expect(ms).toBeGreaterThanOrEqual(0);
  expect(ms).toBeLessThan(DELETION_FOLLOWS_WITHIN_MS);
  return ms;
}

/** The scenario is only played where others do finish shortly before, at and shortly after the assignment. */
function judgeMoments(offsetsMs: readonly number[]): string {
  const edges = [-Infinity, -100, -20, -5, 5, 20, 100, Infinity];
  const counts = edges.slice(1).map((edge, index) => {
    const from = edges[index] ?? 0;
    return { from, to: edge, count: offsetsMs.filter((each) => each >= from && each < edge).length };
  });
  const among = (from: number, to: number): number =>
    counts.reduce((sum, each) => sum + (each.from >= from && each.to <= to ? each.count : 0), 0);
  const least = offsetsMs.length / 20;
  expect(among(-100, -5)).toBeGreaterThan(least);
  expect(among(-20, 20)).toBeGreaterThan(least);
  expect(among(5, 100)).toBeGreaterThan(least);
  return counts.map(({ to, count }) => `${count} below ${to}`).join(', ');
}

function judge(history: readonly HistoryRecord[]): void {
  const report = audit(history);
  expect(report.violations.map(({ invariant, message }) => `${invariant}: ${message}`)).toEqual([]);
  expect(Object.values(countViolations(report)).every((count) => count === 0)).toBe(true);
  for (const id of ['I1', 'I2', 'I3'] as const) expect(report.checked[id]).toBeGreaterThan(0);
}
