import { beforeEach, expect, it } from 'vitest';
import type { Outcome } from '../../src/fleet/ports.ts';
import { addScale, publish } from '../../src/explore/queues/publish.ts';
import { createQueues, JOB_LOCK_MS, type Queues } from '../../src/explore/queues/queues.ts';
import type { QueueName } from '../../src/explore/queues/queue-names.ts';
import { createRandomness } from '../../src/explore/randomness.ts';
import type { Process } from '../../src/explore/scheduler.ts';

let nowMs = 0;
let queues: Queues;
const worker: Process = { name: 'worker', state: 'running', held: [] };
const flow = {
  kind: 'flow',
  machine: 'm',
  intent: 'i',
  pool: 'p',
  state: 'leased',
  intentKind: 'retire',
} as const;

beforeEach(() => {
  nowMs = 0;
  queues = createQueues({ nowMs: () => nowMs, random: createRandomness(1) });
});

function ring(id: number, bell: object): void {
  publish(queues, [{ id, ...bell } as never], new Date(nowMs));
}

function fetch(queue: QueueName) {
  return queues.fetch(queue, worker);
}

/** Fetches a queue's job and ends it; answers its id. */
function work(queue: QueueName, outcome: Outcome = { kind: 'done' }): string | undefined {
  const job = fetch(queue);
  if (job !== undefined) queues.end(job.id, job.token, { kind: 'outcome', outcome });
  return job?.id;
}

it('a step of a flow is fetched only once the one before it is done', () => {
  ring(1, flow);
  expect([fetch('delete'), fetch('release')]).toEqual([undefined, undefined]);
  expect([work('stop'), work('stop')]).toEqual(['stop.i.0', undefined]);
  expect(fetch('delete')).toBeUndefined();
  expect(work('release')).toBe('release.i.0');
  expect(fetch('delete')).toBeUndefined();
  ring(2, { kind: 'wake', job: 'delete.i.0', tries: 0 });
  expect(work('delete')).toBe('delete.i.0');
});

it('a record keeps its id taken, also once its job is done', () => {
  ring(1, flow);
  work('stop');
  ring(2, flow);
  expect(fetch('stop')).toBeUndefined();
  ring(3, { ...flow, kind: 'step', step: 'stop', ring: 1 });
  expect(fetch('stop')?.id).toBe('stop.i.1');
});

it('a step that finally fails fails those after it', () => {
  ring(1, flow);
  const job = fetch('stop');
  queues.end('stop.i.0', job?.token ?? 0, { kind: 'unrecoverable' });
  expect(['stop', 'release', 'delete'].map((step) => queues.jobs.get(`${step}.i.0`)?.state)).toEqual(
    Array(3).fill('failed'),
  );
});

it('an attempt that is burnt comes back later, five times in all', () => {
  ring(1, flow);
  for (const delayMs of [200, 400, 800, 1600]) {
    const job = fetch('stop');
    queues.end('stop.i.0', job?.token ?? 0, { kind: 'error' });
    expect(fetch('stop')).toBeUndefined();
    nowMs += delayMs;
  }
  queues.end('stop.i.0', fetch('stop')?.token ?? 0, { kind: 'error' });
  expect(queues.jobs.get('stop.i.0')?.state).toBe('failed');
});

it('a child whose record is gone counts as done: its parent runs', () => {
  ring(1, flow);
  queues.remove('stop.i.0');
  expect(fetch('release')?.id).toBe('release.i.0');
});

it('a job whose worker is silent is fetched again, and its first fetch ends nothing', () => {
  ring(1, flow);
  const first = fetch('stop')?.token ?? 0;
  nowMs += JOB_LOCK_MS;
  expect(queues.stall()).toBe(1);
  const second = fetch('stop')?.token ?? 0;
  const done = { kind: 'outcome', outcome: { kind: 'done' } } as const;
  expect(queues.end('stop.i.0', first, done)).toBe(false);
  expect(queues.renew([{ id: 'stop.i.0', token: first }])).toHaveLength(1);
  expect(queues.end('stop.i.0', second, done)).toBe(true);
});

it('a job put off waits until then, or until it is woken', () => {
  ring(1, flow);
  const until = new Date(60_000);
  work('stop', { kind: 'later', until, why: 'in a batch' });
  expect(fetch('stop')).toBeUndefined();
  ring(2, { kind: 'wake', job: 'stop.i.0', tries: 0 });
  expect(fetch('stop')?.id).toBe('stop.i.0');
});

it('a wake of a job that is active is put off', () => {
  ring(1, flow);
  fetch('stop');
  const again = publish(queues, [{ id: 2, kind: 'wake', job: 'stop.i.0', tries: 0 }], new Date(nowMs));
  expect(again.get(2)).toEqual(new Date(25));
});

it('scaling is asked for once while it waits, and once more after it was active', () => {
  addScale(queues, 'p');
  addScale(queues, 'p');
  const job = fetch('scale');
  expect(fetch('scale')).toBeUndefined();
  addScale(queues, 'p');
  queues.end('scale.p', job?.token ?? 0, { kind: 'outcome', outcome: { kind: 'done' } });
  expect(fetch('scale')?.id).toBe('scale.p');
});

it('an emptied Redis knows of nothing, and a fetch from before ends nothing', () => {
  ring(1, flow);
  const job = fetch('stop');
  queues.empty();
  expect(queues.live(['stop.i.0', 'release.i.0']).size).toBe(0);
  expect(queues.end('stop.i.0', job?.token ?? 0, { kind: 'error' })).toBe(false);
});
