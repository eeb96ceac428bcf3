import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { STEPS } from '../../src/fleet/lifecycle.ts';
import {
  CATALOGUE,
  jobIds,
  QUEUE_NAMES,
  queueOf,
  STALLS,
  type QueueName,
} from '../../src/queues/catalogue.ts';
import { createPayloadCheck } from '../../src/queues/payload-check.ts';

const machine = { machine: 'm', intent: 'i', pool: 'p', ring: 0 };

const RIGHT: Record<QueueName, object> = {
  provision: machine,
  stop: machine,
  release: machine,
  delete: machine,
  batch: { batch: 'b' },
  scale: { pool: 'p' },
  reconcile: { round: 3 },
};

describe.each(QUEUE_NAMES)('a payload of %s', (name) => {
  const check = createPayloadCheck(CATALOGUE[name].payload);
  const right = RIGHT[name];

  test('is taken as its queue defines it', () => {
    expect(() => check(right)).not.toThrow();
  });

  test.each(Object.keys(right))('is refused without its %s, which is named', (field) => {
    const payload = Object.fromEntries(Object.entries(right).filter(([key]) => key !== field));
    expect(() => check(payload)).toThrow(field);
  });

  test.each(Object.keys(right))('is refused with a %s of another kind, which is named', (field) => {
    expect(() => check({ ...right, [field]: { nested: true } })).toThrow(field);
    expect(() => check({ ...right, [field]: null })).toThrow(field);
  });

  test('is refused with a field that it does not know: jobs carry ids, never state', () => {
    expect(() => check({ ...right, state: 'leased' })).toThrow('state');
  });

  test.each([undefined, null, 'text', 7, []])('is refused where it is %j', (payload) => {
    expect(() => check(payload)).toThrow('its payload is not what its queue takes');
  });
});

test.each([
  { ...machine, ring: -1 },
  { ...machine, ring: 0.5 },
])('a ring is a whole number from 0: %j', (payload) => {
  expect(() => createPayloadCheck(CATALOGUE.stop.payload)(payload)).toThrow('ring');
});

test('every step of a machine has a queue of its own', () => {
  for (const step of STEPS) expect(queueOf(jobIds.step(step, 'i', 0))).toBe(step);
  expect(queueOf(jobIds.batch('b', 0))).toBe('batch');
  expect(queueOf('nothing.of.ours')).toBeUndefined();
  expect(queueOf('stopped.i.0')).toBeUndefined();
});

test('a ring has a job id of its own', () => {
  expect(new Set([0, 1, 2].map((ring) => jobIds.step('stop', 'i', ring))).size).toBe(3);
  expect(new Set([0, 1, 2].map((ring) => jobIds.batch('b', ring))).size).toBe(3);
});

test('a lock outlives the looks for stalled jobs, and stalls do not use up a job', () => {
  expect(STALLS.lockMs).toBeGreaterThan(STALLS.lookMs);
  expect(STALLS.most).toBeGreaterThan(100);
});

test('a process works on as many jobs of a queue at once as its configuration says by default', async () => {
  const { concurrency } = await loadConfig({ env: {}, cwd: import.meta.dirname, providers: [] });
  const catalogued = Object.fromEntries(QUEUE_NAMES.map((name) => [name, CATALOGUE[name].concurrency]));
  expect(catalogued).toEqual(concurrency);
});
