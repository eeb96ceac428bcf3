import { Queue, type Job } from 'bullmq';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { FleetError } from '../../src/fleet/errors.ts';
import type { Outcome } from '../../src/fleet/ports.ts';
import { CATALOGUE } from '../../src/queues/catalogue.ts';
import { createConnections, type Connections } from '../../src/queues/connections.ts';
import { createPayloadCheck } from '../../src/queues/payload-check.ts';
import { createWorkerHost, type WorkerHost } from '../../src/workers/worker-host.ts';
import { testRedis } from '../support/services.ts';

const STALLS = { lockMs: 400, lookMs: 200, most: 1000 };
const payload = { machine: 'm', intent: 'i', pool: 'p', ring: 0 };

let redis: { url: string; prefix: string };
let connections: Connections;
let queue: Queue;
let hosts: WorkerHost[];
let logged: string[];
beforeEach(() => {
  redis = testRedis();
  connections = createConnections({ url: redis.url, onError: () => undefined });
  queue = new Queue('stop', { connection: connections.producer, prefix: redis.prefix });
  hosts = [];
  logged = [];
});
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop(0)));
  await queue.close();
  await connections.close();
});

type Work = (payload: unknown, signal: AbortSignal) => Promise<Outcome>;

async function host(work: Work, stalls = STALLS): Promise<WorkerHost> {
  const write = (fields: Record<string, unknown>, message: string) =>
    void logged.push(`${message}: ${String(fields['err'])}`);
  const started = createWorkerHost({
    queues: [{ name: 'stop', concurrency: 5, check: createPayloadCheck(CATALOGUE.stop.payload), work }],
    connection: connections.worker,
    prefix: redis.prefix,
    stalls,
    log: { info: write, warn: write, error: write },
    now: () => new Date(),
  });
  hosts.push(started);
  await started.start();
  return started;
}

async function add(data: unknown = payload, attempts = 3): Promise<Job> {
  return queue.add('stop', data, { attempts, backoff: { type: 'fixed', delay: 5 } });
}

async function until(job: Job, state: string): Promise<Job> {
  const seen = await waitUntil({ deadlineMs: 15_000, everyMs: 10 }, async () => {
    if ((await job.getState()) !== state) return undefined;
    return (await queue.getJob(job.id ?? '')) as Job | undefined;
  });
  if (seen === undefined) throw new Error(`the job is ${await job.getState()}, never ${state}`);
  return seen;
}

const done: Outcome = { kind: 'done', note: 'well' };

describe('an outcome', () => {
  test('is the job’s result, whether done or refused', async () => {
    const outcomes: Outcome[] = [done, { kind: 'refused', why: 'not owed' }];
    await host(async () => outcomes.shift() ?? done);
    expect((await until(await add(), 'completed')).returnvalue).toEqual(done);
    expect((await until(await add(), 'completed')).returnvalue).toEqual({ kind: 'refused', why: 'not owed' });
  });

  test('of later puts the job off until then, and burns no attempt however often', async () => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      return runs <= 5 ? { kind: 'later', until: new Date(Date.now() + 10), why: 'not yet' } : done;
    });
    const finished = await until(await add(payload, 2), 'completed');
    expect([runs, finished.attemptsMade]).toEqual([6, 1]);
  });

  test('of later far away leaves the job delayed until that moment', async () => {
    const soon = new Date(Date.now() + 3_600_000);
    await host(async () => ({ kind: 'later', until: soon, why: 'not yet' }));
    const delayed = await until(await add(), 'delayed');
    expect([delayed.attemptsMade, delayed.timestamp + delayed.delay]).toEqual([
      0,
      expect.closeTo(soon.getTime(), -3),
    ]);
  });

  test('of later in the past is taken up again at once', async () => {
    let runs = 0;
    await host(async () => ((runs += 1) === 1 ? { kind: 'later', until: new Date(0), why: 'now' } : done));
    await until(await add(), 'completed');
    expect(runs).toBe(2);
  });
});

describe('an error', () => {
  const fail = (details: ConstructorParameters<typeof FleetError>[1]) => new FleetError('no luck', details);

  test('that asks for a retry burns an attempt each time, and fails the job after the last', async () => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      throw fail({ code: 'conflict', remedy: 'retry' });
    });
    const failed = await until(await add(payload, 3), 'failed');
    expect([runs, failed.attemptsMade, failed.failedReason]).toEqual([3, 3, 'no luck']);
  });

  test('that is not ours is tried again like one that asks for it', async () => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      if (runs === 1) throw new TypeError('a mistake');
      return done;
    });
    const finished = await until(await add(), 'completed');
    expect([runs, finished.attemptsMade]).toEqual([2, 2]);
  });

  test.each(['retry-later', 'retry-elsewhere'] as const)('that asks for %s burns none', async (remedy) => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      if (runs <= 4) throw fail({ code: 'throttled', remedy, retryAfterMs: 5 });
      return done;
    });
    const finished = await until(await add(payload, 2), 'completed');
    expect([runs, finished.attemptsMade]).toEqual([5, 1]);
  });

  test('is waited out for as long as the other side asked', async () => {
    await host(async () => {
      throw fail({ code: 'throttled', remedy: 'retry-later', retryAfterMs: 600_000 });
    });
    const before = Date.now();
    const delayed = await until(await add(), 'delayed');
    expect(delayed.timestamp + delayed.delay).toBeGreaterThan(before + 599_000);
  });

  test.each(['give-up', 'gone'] as const)('that asks for %s fails the job at once', async (remedy) => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      throw fail({ code: 'refused', remedy });
    });
    const failed = await until(await add(), 'failed');
    expect([runs, failed.failedReason]).toEqual([1, 'no luck']);
    expect(logged.join()).toContain('a job failed');
  });
});

describe('a payload', () => {
  test.each([
    [{ ...payload, ring: 'two' }, '/ring'],
    [{ ...payload, state: 'leased' }, 'state'],
    [{ machine: 'm', intent: 'i', ring: 0 }, 'pool'],
    ['nothing', 'object'],
  ])('that is wrong fails at once with the field that is: %j', async (data, named) => {
    let runs = 0;
    await host(async () => {
      runs += 1;
      return done;
    });
    const failed = await until(await add(data), 'failed');
    expect(failed.failedReason).toContain(named);
    expect(failed.failedReason).toContain(failed.id);
    expect(runs).toBe(0);
  });
});

test('a job whose lock is lost is told by its signal', async () => {
  const { promise: heard, resolve: hear } = Promise.withResolvers<unknown>();
  await host(async (_, signal) => {
    signal.addEventListener('abort', () => hear(signal.reason));
    await heard;
    return done;
  });
  const job = await until(await add(), 'active');
  await connections.producer.set(`${queue.toKey(job.id ?? '')}:lock`, 'somebody else');
  expect(await heard).toBe('its lock was lost');
});

test('a job whose lock holds runs longer than its lock, unabridged', async () => {
  let isAborted = false;
  let runs = 0;
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  await host(
    async (_, signal) => {
      runs += 1;
      await ended;
      isAborted = signal.aborted;
      return done;
    },
    { lockMs: 1200, lookMs: 300, most: 1000 },
  );
  const job = await until(await add(), 'active');
  const lock = `${queue.toKey(job.id ?? '')}:lock`;
  // Renewed at least four times: its time to live goes up again without ever having run out.
  let [renewals, last] = [0, Infinity];
  await waitUntil({ deadlineMs: 10_000, everyMs: 10 }, async () => {
    const left = await connections.producer.pttl(lock);
    if (left > last) renewals += 1;
    last = left;
    return renewals >= 4 ? true : undefined;
  });
  end(undefined);
  await until(job, 'completed');
  expect([renewals, runs, isAborted]).toEqual([4, 1, false]);
});

describe('stopping', () => {
  test('waits for the running job and takes no other', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<undefined>();
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
    const worker = await host(async () => {
      begin(undefined);
      await ended;
      return done;
    });
    const first = await add();
    await begun;
    const stopping = worker.stop(20_000);
    const second = await add();
    end(undefined);
    await stopping;
    expect(await first.getState()).toBe('completed');
    expect(await second.getState()).toBe('waiting');
  });

  test('leaves a job that will not end within the grace, tells it, and lets another process go on', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<undefined>();
    let told: unknown;
    const worker = await host(async (_, signal) => {
      signal.addEventListener('abort', () => (told = signal.reason));
      begin(undefined);
      return new Promise<never>(() => undefined);
    });
    const job = await add();
    await begun;
    const began = performance.now();
    await worker.stop(100);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(told).toBe('its process stopped');
    await host(async () => done);
    const finished = await until(job, 'completed');
    expect(finished.attemptsMade).toBe(1);
  });

  test('ends although Redis has gone away', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<undefined>();
    const worker = await host(async () => {
      begin(undefined);
      return new Promise<never>(() => undefined);
    });
    await add();
    await begun;
    await connections.close();
    const began = performance.now();
    await worker.stop(100);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test('is fine twice', async () => {
    const worker = await host(async () => done);
    await worker.stop();
    await expect(worker.stop()).resolves.toBeUndefined();
  });
});
