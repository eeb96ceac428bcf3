import { expect, onTestFinished, test } from 'vitest';
import type { Publisher } from '../../src/queues/publisher.ts';
import { createPulse, type Pulse } from '../../src/queues/pulse.ts';
import { forgetEverything, openQueues, type OpenQueues, until } from './open-queues.ts';

const EVERY_MS = 20;

/** A clock that stands until it is moved: how many beats fall into a slot is then up to the test. */
function standingClock(start = 1_000_000 * EVERY_MS) {
  let now = start;
  return { now: () => new Date(now), move: (ms: number) => void (now += ms) };
}

interface Beaten {
  pulse: Pulse;
  /** How often a round was asked for, whether or not that added one. */
  beats: () => number;
  warned: string[];
}

async function startPulse(
  queues: OpenQueues,
  clock: { now(): Date },
  pools: () => Promise<readonly string[]> = async () => ['guests', 'browsers'],
): Promise<Beaten> {
  let beats = 0;
  const warned: string[] = [];
  const publisher: Pick<Publisher, 'reconcile' | 'scale'> = {
    scale: queues.publisher.scale,
    async reconcile(round) {
      await queues.publisher.reconcile(round);
      beats += 1;
    },
  };
  const log = {
    info: () => undefined,
    warn: (_: object, message: string) => void warned.push(message),
    error: () => undefined,
  };
  const pulse = createPulse({ publisher, pools, clock, log, everyMs: EVERY_MS });
  onTestFinished(() => pulse.stop());
  await pulse.start();
  return { pulse, beats: () => beats, warned };
}

const beaten = (of: Beaten, times: number) =>
  until(`${times} beats`, async () => (of.beats() >= times ? true : undefined));

test('two processes ask for one round in each slot', async () => {
  const queues = openQueues();
  const clock = standingClock();
  const pulses = [await startPulse(queues, clock), await startPulse(openQueues(queues.prefix), clock)];
  for (const each of pulses) await beaten(each, 3);
  expect(await queues.ids('reconcile')).toEqual(['reconcile.1000000']);
  clock.move(EVERY_MS);
  const before = pulses.map((each) => each.beats());
  for (const [index, each] of pulses.entries()) await beaten(each, (before[index] ?? 0) + 2);
  expect((await queues.ids('reconcile')).toSorted()).toEqual(['reconcile.1000000', 'reconcile.1000001']);
});

test('each pool is to be looked at, once however often it is asked for', async () => {
  const queues = openQueues();
  const pulse = await startPulse(queues, standingClock());
  await beaten(pulse, 3);
  expect((await queues.ids('scale')).length).toBe(2);
});

test('a Redis that has forgotten everything is told again within a slot', async () => {
  const queues = openQueues();
  const clock = standingClock();
  const pulse = await startPulse(queues, clock);
  await beaten(pulse, 1);
  expect(await forgetEverything(queues)).toBeGreaterThan(0);
  await beaten(pulse, pulse.beats() + 2);
  expect(await queues.ids('reconcile')).toEqual(['reconcile.1000000']);
  clock.move(EVERY_MS);
  await beaten(pulse, pulse.beats() + 2);
  expect((await queues.ids('reconcile')).length).toBe(2);
});

test('a beat that failed is said, and the next one is made', async () => {
  const queues = openQueues();
  let isAway = true;
  const pools = async () => {
    if (isAway) throw new Error('PostgreSQL is away');
    return ['guests'];
  };
  const pulse = await startPulse(queues, standingClock(), pools);
  await until('a warning', async () => (pulse.warned.length > 0 ? true : undefined));
  isAway = false;
  await until('a pool to be asked for', async () =>
    (await queues.ids('scale')).length > 0 ? true : undefined,
  );
  expect(await queues.ids('reconcile')).toEqual(['reconcile.1000000']);
});

test('a stopped pulse asks for nothing', async () => {
  const queues = openQueues();
  const clock = standingClock();
  const one = await startPulse(queues, clock);
  await beaten(one, 1);
  await one.pulse.stop();
  await one.pulse.stop();
  const stopped = one.beats();
  clock.move(EVERY_MS);
  const two = await startPulse(openQueues(), clock);
  await beaten(two, 3);
  expect(one.beats()).toBe(stopped);
  expect(await queues.ids('reconcile')).toEqual(['reconcile.1000000']);
});
