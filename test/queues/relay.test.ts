import { type Job, Worker, DelayedError } from 'bullmq';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Outbox } from '../../src/fleet/outbox.ts';
import { createRelay, type Relay } from '../../src/queues/relay.ts';
import { createStorage, type Storage } from '../../src/storage/storage.ts';
import { openRawFleet, type RawFleet } from '../storage/raw-fleet.ts';
import { openQueues, type OpenQueues, until } from './open-queues.ts';

let fleet: RawFleet;
let storage: Storage;
beforeAll(async () => {
  fleet = await openRawFleet();
  storage = await createStorage({ url: fleet.url });
});
afterAll(async () => {
  await storage.close();
  await fleet.close();
});
afterEach(async () => {
  await fleet.run(`delete from outbox`);
});

const HOUR = 3_600_000;

/** Now, as a clock of milliseconds tells it: a microsecond later would not be due yet to the relay's. */
const DUE = `date_trunc('milliseconds', now())`;

async function startRelay(
  { publisher }: OpenQueues,
  options: { pollMs?: number; outbox?: Outbox } = {},
): Promise<{ relay: Relay; warned: string[] }> {
  const warned: string[] = [];
  const log = {
    info: () => undefined,
    warn: (_: object, message: string) => void warned.push(message),
    error: () => undefined,
  };
  const { pollMs = HOUR, outbox = storage.outbox } = options;
  const relay = createRelay({ outbox, publisher, clock: { now: () => new Date() }, log, pollMs });
  onTestFinished(() => relay.stop());
  await relay.start();
  return { relay, warned };
}

async function addBatches(...batches: string[]): Promise<void> {
  for (const batch of batches) {
    await fleet.run(`insert into outbox (kind, batch_id, due_at) values ('batch', $1, ${DUE})`, [batch]);
  }
}

const emptied = () =>
  until('an empty outbox', async () =>
    (await fleet.run(`select id from outbox`)).length === 0 ? true : undefined,
  );

const batches = (count: number) => Array.from({ length: count }, () => crypto.randomUUID());

test('what waits when a relay starts is delivered, and what comes after a nudge', async () => {
  const queues = openQueues();
  const [first = '', second = ''] = batches(2);
  await addBatches(first);
  const { relay } = await startRelay(queues);
  await emptied();
  expect(await queues.ids('batch')).toEqual([`batch.${first}.0`]);
  await addBatches(second);
  relay.nudge();
  await emptied();
  expect((await queues.ids('batch')).toSorted()).toEqual(
    [`batch.${first}.0`, `batch.${second}.0`].toSorted(),
  );
});

test('a nudge while a delivery has already looked is not lost', async () => {
  const queues = openQueues();
  const { promise: looked, resolve: look } = Promise.withResolvers<undefined>();
  const { promise: goesOn, resolve: goOn } = Promise.withResolvers<undefined>();
  const outbox: Outbox = {
    async deliver(act) {
      const delivered = await storage.outbox.deliver(act);
      look(undefined);
      await goesOn;
      return delivered;
    },
  };
  const { relay } = await startRelay(queues, { outbox });
  await looked;
  await addBatches(...batches(1));
  relay.nudge();
  goOn(undefined);
  await emptied();
  expect((await queues.ids('batch')).length).toBe(1);
});

test('a nudge that was lost costs a poll, never a bell', async () => {
  const queues = openQueues();
  await startRelay(queues, { pollMs: 20 });
  const [batch = ''] = batches(1);
  await addBatches(batch);
  await emptied();
  expect(await queues.ids('batch')).toEqual([`batch.${batch}.0`]);
});

test('more than one delivery takes is delivered all the same', async () => {
  const queues = openQueues();
  await fleet.run(
    `insert into outbox (kind, batch_id, due_at) select 'batch', gen_random_uuid(), ${DUE} from generate_series(1, 1200)`,
  );
  await startRelay(queues);
  await emptied();
  expect((await queues.ids('batch')).length).toBe(1200);
});

test('two relays deliver each bell once between them', async () => {
  const queues = openQueues();
  const handedOut: number[] = [];
  const counting = (from: Storage): Outbox => ({
    deliver: (act) =>
      from.outbox.deliver({
        ...act,
        deliver: (bells) => {
          handedOut.push(...bells.map((bell) => bell.id));
          return act.deliver(bells);
        },
      }),
  });
  const other = await createStorage({ url: fleet.url });
  onTestFinished(() => other.close());
  const one = await startRelay(queues, { outbox: counting(storage) });
  const two = await startRelay(openQueues(queues.prefix), { outbox: counting(other) });
  for (let round = 0; round < 20; round += 1) {
    await addBatches(...batches(3));
    one.relay.nudge();
    two.relay.nudge();
  }
  await emptied();
  expect(handedOut.length).toBe(60);
  expect(new Set(handedOut).size).toBe(60);
});

test('a delivery that failed is said, and done with the next poll', async () => {
  const queues = openQueues();
  let failures = 0;
  const outbox: Outbox = {
    deliver: (act) => {
      failures += 1;
      return failures <= 2 ? Promise.reject(new Error('PostgreSQL is away')) : storage.outbox.deliver(act);
    },
  };
  const { warned } = await startRelay(queues, { pollMs: 20, outbox });
  await addBatches(...batches(1));
  await emptied();
  expect(warned.length).toBe(2);
  expect((await queues.ids('batch')).length).toBe(1);
});

test('a wake that comes while its job is still active is repeated until the job has gone to sleep', async () => {
  const queues = openQueues();
  const { publisher, connections, prefix, stateOf } = queues;
  const { promise: slept, resolve: sleep } = Promise.withResolvers<undefined>();
  let runs = 0;
  const work = async (job: Job, token?: string) => {
    runs += 1;
    if (runs > 1) return;
    await slept;
    await job.moveToDelayed(Date.now() + HOUR, token);
    throw new DelayedError();
  };
  const worker = new Worker('batch', work, { connection: connections.worker(), prefix });
  onTestFinished(() => worker.close());
  await publisher.batch('b', 0, 0);
  await until('the job to be active', async () =>
    (await stateOf('batch', 'batch.b.0')) === 'active' ? true : undefined,
  );
  const { relay } = await startRelay(queues);
  await fleet.run(`insert into outbox (kind, job, due_at) values ('wake', 'batch.b.0', ${DUE})`);
  relay.nudge();
  await until('some tries', async () => {
    const [row] = await fleet.run(`select tries from outbox`);
    return Number(row?.['tries']) >= 3 ? true : undefined;
  });
  expect(runs).toBe(1);
  sleep(undefined);
  await emptied();
  await until('the job to have run again', async () => (runs === 2 ? true : undefined));
});

test('a stopped relay delivers nothing, and a started one again', async () => {
  const queues = openQueues();
  const { relay } = await startRelay(queues, { pollMs: 10 });
  await relay.stop();
  await addBatches(...batches(1));
  relay.nudge();
  const other = await startRelay(queues);
  await emptied();
  await other.relay.stop();
  await relay.start();
  await addBatches(...batches(1));
  await emptied();
  expect((await queues.ids('batch')).length).toBe(2);
});
