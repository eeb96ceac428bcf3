import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../src/explore/memory-store.ts';
import type { Ports } from '../../src/fleet/ports.ts';
import type { Store } from '../../src/fleet/store.ts';
import { reconcile } from '../../src/workers/reconcile.ts';
import { createDriver, type Driver } from '../contracts/store/driver.ts';
import { memoryUnderTest } from '../contracts/store/memory-under-test.ts';

interface JobId {
  queue: string;
  id: string;
}

/** One round of a store at a moment; these jobs live, and no others. Answers what Redis was asked, page by page. */
async function goRound(
  store: Store,
  at: { round: number; now: Date; isLive(job: JobId): boolean },
): Promise<number[]> {
  const asked: number[] = [];
  const nothing = () => undefined;
  const live: Ports['jobs']['live'] = async (jobs) => {
    asked.push(jobs.length);
    return new Set(jobs.filter(at.isLive).map((job) => job.id));
  };
  const ports: Partial<Ports> = {
    store,
    clock: { now: () => at.now },
    jobs: { nudge: nothing, live } as Partial<Ports['jobs']> as Ports['jobs'],
    log: { info: nothing, warn: nothing, error: nothing },
    witness: async () => undefined,
    settings: { reconcileMs: 1000, sweepMs: 60_000 } as Partial<Ports['settings']> as Ports['settings'],
  };
  const outcome = await reconcile(ports as Ports, { round: at.round }, new AbortController().signal);
  expect(outcome).toEqual({ kind: 'done' });
  return asked;
}

describe('a fleet of which many boot at once', () => {
  const BOOTING = 600;
  let on: Driver;
  beforeEach(async () => {
    let made = 0;
    // Later ids come later: what is lost last is on the last page.
    const newId = () => `id-${String((made += 1)).padStart(6, '0')}`;
    const memory = createMemoryStore({ clock: { now: () => new Date(0) }, newId });
    on = createDriver(memoryUnderTest(memory, newId));
    await on.apply({ max: 1000 });
    for (let made = 0; made < BOOTING; made += 100) await on.booting(100);
  });

  async function loseARelease(): Promise<{ machine: string; intent: string | null }> {
    on.pass(1000);
    const { machine } = await on.after('stopped');
    await on.intend(machine, 'retire');
    return { machine, intent: (await on.seen(machine)).intent };
  }

  const boots = (job: JobId): boolean => job.queue === 'provision' && job.id.endsWith('.0');

  test('has a lost release rung in one round, although the steps with a job have waited longer', async () => {
    const { machine } = await loseARelease();
    expect(await on.seen(machine)).toMatchObject({ state: 'stopped', owed: 'release', ring: 0 });
    on.pass(10_000);
    const asked = await goRound(on.store, { round: 1, now: on.now(), isLive: boots });
    expect(await on.seen(machine)).toMatchObject({ ring: 1 });
    expect(asked).toEqual([500, BOOTING + 1 - 500]);
  });

  test('has nothing rung where every step has its job', async () => {
    const { machine, intent } = await loseARelease();
    on.pass(10_000);
    const isLive = (job: JobId): boolean => boots(job) || job.id === `release.${intent}.0`;
    await goRound(on.store, { round: 1, now: on.now(), isLive });
    const rings = (await on.living()).map((each) => each.ring);
    expect([rings.length, new Set(rings)]).toEqual([BOOTING + 1, new Set([0])]);
    expect(await on.seen(machine)).toMatchObject({ ring: 0 });
  });
});
