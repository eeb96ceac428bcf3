import { QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { type Load, type LoadResult, startLoad } from '../../src/cli/chaos/load.ts';
import { openClient } from '../../src/cli/chaos/open-client.ts';
import { findSteadyPort } from '../../src/cli/chaos/steady-port.ts';
import type { Task } from '../../src/cli/tasks/task.ts';
import { LOOPBACK } from '../../src/embedded/free-port.ts';
import { createRandomness } from '../../src/explore/randomness.ts';
import { QUEUE_NAMES } from '../../src/queues/catalogue.ts';
import { type EmulatedGround, prepareGround, type Undo } from './emulated-ground.ts';
import { type ProcessEnd, type RolledProcess, startRolled } from './rolled-process.ts';

const undo: Undo = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** Leases under way at a time, on clouds in which a boot takes more than half a second. */
const GOING = 12;
const SPEED = 50;
const COMPLETED_BEFORE = 10;

/** Held for half a second to three, on both clouds. */
const TASKS: readonly Task[] = Array.from({ length: 30 }, (_, index) => ({
  ...{ arrivalSeconds: 0, holdSeconds: 0.5 + (index % 6) / 2, priority: 0, line: index + 1 },
  selector: { pool: index % 2 === 0 ? 'aws-detonation' : 'azure-ci' },
}));

test('every process is ended and replaced in turn while clients use the fleet, and nobody notices', async () => {
  const ground = await prepareGround(
    { speed: SPEED, seed: 11, pools: async ({ aws, azure }) => [aws, azure] },
    undo,
  );
  const watched = await watchJobs(ground);
  const slots = await startAll(ground);
  const load = use(ground, slots);
  await untilCompleted(ground, COMPLETED_BEFORE);
  const ends: ProcessEnd[] = [];
  for (const slot of slots) ends.push(await replace(ground, slot));
  await untilCompleted(ground, (await completedIn(ground)) + COMPLETED_BEFORE);
  const result = await finish(ground, load);
  await ground.shrink();
  for (const slot of slots) ends.push(await slot.current.end());

  expect(ends.map(({ name, code }) => `${name}: ${code}`)).toEqual(ends.map(({ name }) => `${name}: 0`));
  expect(result.complaints).toEqual([]);
  expect(await statesOf(ground, result)).toEqual(new Set(['completed']));
  expect(watched.mishaps).toEqual([]);
  expect(await ground.failedJobs()).toEqual([]);
  expect((await Promise.all(slots.map(troublesOf))).flat()).toEqual([]);
  const report = audit(await ground.history(result.acks));
  expect(report.violations.map(({ invariant, message }) => `${invariant}: ${message}`)).toEqual([]);
  console.log(
    `${result.requested} leases; ended within ms: ${ends.map(({ name, ms }) => `${name} ${ms.toFixed(0)}`).join(', ')}`,
  );
}, 240_000);

interface Slot {
  role: 'serve' | 'work';
  url: string | undefined;
  start(): Promise<RolledProcess>;
  current: RolledProcess;
  /** Current one last. */
  all: RolledProcess[];
}

async function startAll(ground: EmulatedGround): Promise<Slot[]> {
  const draw = createRandomness(process.pid);
  const ports = [await findSteadyPort(draw), await findSteadyPort(draw)];
  return Promise.all([
    openSlot(ground, { name: 'work-0', role: 'work' }),
    openSlot(ground, { name: 'serve-0', role: 'serve', port: ports[0] }),
    openSlot(ground, { name: 'work-1', role: 'work' }),
    openSlot(ground, { name: 'serve-1', role: 'serve', port: ports[1] }),
  ]);
}

async function openSlot(
  { env, dir }: EmulatedGround,
  { name, role, port }: { name: string; role: Slot['role']; port?: number | undefined },
): Promise<Slot> {
  const all: RolledProcess[] = [];
  const start = async (): Promise<RolledProcess> => {
    const begun = await startRolled({
      ...{ name: `${name}.${all.length}`, role, dir },
      env: { ...env, ...(port !== undefined && { DROVER_HTTP_PORT: String(port) }) },
    });
    undo.push(() => begun.end());
    all.push(begun);
    return begun;
  };
  const url = port === undefined ? undefined : `http://${LOOPBACK}:${port}`;
  return { role, url, start, current: await start(), all };
}

function use(ground: EmulatedGround, slots: readonly Slot[]): Load & { end(): void } {
  const arrivals = new AbortController();
  const brokenOff = new AbortController();
  undo.push(async () => brokenOff.abort());
  const load = startLoad({
    client: openClient({ urls: slots.flatMap(({ url }) => url ?? []), token: ground.token }),
    ...{ tasks: TASKS, speed: 1, going: { least: GOING, most: GOING } },
    ...{ arrivalsEnd: arrivals.signal, signal: brokenOff.signal, now: Date.now },
  });
  return { ...load, end: () => arrivals.abort() };
}

/** Ended in the middle of its work; whoever comes after it finds nothing left in its hands. */
async function replace(ground: EmulatedGround, slot: Slot): Promise<ProcessEnd> {
  const old = slot.current;
  if (slot.role === 'work')
    await ground.until(`${old.name} to be at work`, async () => (await jobsOf(ground, old)).at(0));
  const ended = await old.end();
  expect(await jobsOf(ground, old)).toEqual([]);
  slot.current = await slot.start();
  return ended;
}

/** A job says which process is at it. */
function jobsOf({ queues }: EmulatedGround, { pid }: RolledProcess): Promise<string[]> {
  return queues(async (all) => {
    const active = await Promise.all([...all.values()].map((queue) => queue.getActive()));
    const its = active.flat().filter((job) => job?.processedBy?.endsWith(`.${pid}`));
    return its.map((job) => `${job.queueName} ${job.id}`);
  });
}

async function completedIn({ sql }: EmulatedGround): Promise<number> {
  const [row] = await sql(`select count(*)::integer as count from lease where state = 'completed'`);
  return Number(row?.['count']);
}

async function untilCompleted(ground: EmulatedGround, count: number): Promise<void> {
  await ground.until(`${count} completed leases`, async () =>
    (await completedIn(ground)) >= count ? true : undefined,
  );
}

async function finish(ground: EmulatedGround, load: Load & { end(): void }): Promise<LoadResult> {
  load.end();
  await ground.until('every client to be done', async () => (load.going() === 0 ? true : undefined));
  return load.stop();
}

async function statesOf({ sql }: EmulatedGround, { acks, requested }: LoadResult): Promise<Set<unknown>> {
  const ids = [...new Set(acks.map((ack) => ack.lease))];
  expect(ids).toHaveLength(requested);
  const rows = await sql(`select state from lease where id = any($1)`, [ids]);
  expect(rows).toHaveLength(requested);
  return new Set(rows.map((row) => row['state']));
}

/** Each attempt that fails is logged, and each request that a stop cuts off. */
const TROUBLES = /"msg":"(a job failed|requests still under way are cut off)"/;

async function troublesOf({ all }: Slot): Promise<string[]> {
  const lines = await Promise.all(
    all.map(async ({ name, troubles }) => (await troubles()).map((line) => `${name}: ${line}`)),
  );
  return lines.flat().filter((line) => TROUBLES.test(line));
}

/** Hears of every job that stalled, or failed for good. */
async function watchJobs({ config }: EmulatedGround): Promise<{ mishaps: readonly string[] }> {
  const mishaps: string[] = [];
  for (const name of QUEUE_NAMES) {
    const connection = new Redis(config.redisUrl, { maxRetriesPerRequest: null });
    const events = new QueueEvents(name, { connection, prefix: `{${config.redisPrefix}}` });
    undo.push(async () => {
      await events.close();
      connection.disconnect();
    });
    events.on('stalled', ({ jobId }) => void mishaps.push(`${name} ${jobId} stalled`));
    events.on('failed', ({ jobId, failedReason }) =>
      mishaps.push(`${name} ${jobId} failed: ${failedReason}`),
    );
    await events.waitUntilReady();
  }
  return { mishaps };
}
