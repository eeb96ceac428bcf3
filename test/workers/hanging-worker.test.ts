import { Queue } from 'bullmq';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createHangWatch } from '../../src/workers/hang-watch.ts';
import { createConnections } from '../../src/queues/connections.ts';
import { createWorkerHost } from '../../src/workers/worker-host.ts';
import { testRedis } from '../support/services.ts';
import { openStrandingLine } from '../support/stranding-line.ts';

const STALLS = { lockMs: 1000, lookMs: 500, most: 1000 };
const AFTER_MS = 1500;

test('a worker whose Redis has vanished without a word is started anew, and what waited is worked on', async () => {
  const { url, prefix } = testRedis();
  const line = await openStrandingLine(url);
  const direct = createConnections({ url, onError: () => undefined });
  const over = createConnections({ url: line.url, onError: () => undefined });
  const queue = new Queue('stop', { connection: direct.producer, prefix });
  const warned: string[] = [];
  const warn = (_: unknown, message: string) => void warned.push(message);
  const worked: string[] = [];
  const host = createWorkerHost({
    queues: [
      {
        ...{ name: 'stop', concurrency: 5, check: () => undefined },
        async work(payload) {
          worked.push((payload as { id: string }).id);
          return { kind: 'done', note: '' };
        },
      },
    ],
    hangs: { afterMs: AFTER_MS, waits: async () => (await queue.getWaitingCount()) > 0 },
    ...{ connection: over.worker, prefix, stalls: STALLS, now: () => new Date() },
    log: { info: warn, warn, error: warn },
  });
  onTestFinished(async () => {
    await host.stop(0);
    await queue.close();
    await direct.close();
    await over.close();
  });
  await host.start();
  await queue.add('stop', { id: 'before' });
  await untilWorked(worked, ['before']);
  line.strand();
  await queue.add('stop', { id: 'after' });
  await untilWorked(worked, ['before', 'after']);
  expect(warned).toContain('a queue worker takes no jobs although some wait; starting another in its place');
}, 60_000);

async function untilWorked(worked: readonly string[], wanted: readonly string[]): Promise<void> {
  const isOver = await waitUntil({ deadlineMs: 25_000, everyMs: 10 }, async () =>
    worked.length >= wanted.length ? true : undefined,
  );
  expect([isOver, worked]).toEqual([true, wanted]);
}

interface Circumstances {
  hasRoom?: boolean;
  waits?: boolean;
  begins?: boolean;
}

test.each<[string, Circumstances]>([
  ['has no room', { hasRoom: false }],
  ['has nothing waiting', { waits: false }],
  ['goes on beginning jobs', { begins: true }],
])('a worker that %s is left alone', async (_what, circumstances) => {
  const { hasRoom = true, waits = true, begins = false } = circumstances;
  let [begun, looks, restarts, nowMs] = [0, 0, 0, 0];
  const watch = createHangWatch({
    watched: [
      {
        ...{ queue: 'stop', hasRoom: () => hasRoom, begun: () => (begins ? (begun += 1) : begun) },
        restart: () => void (restarts += 1),
      },
    ],
    waits: async () => waits,
    afterMs: 30,
    now() {
      looks += 1;
      return new Date((nowMs += 1000));
    },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  watch.start();
  await waitUntil({ deadlineMs: 10_000, everyMs: 5 }, async () => (looks >= 10 ? true : undefined));
  await watch.stop();
  expect([looks >= 10, restarts]).toEqual([true, 0]);
});
