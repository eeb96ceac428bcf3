import { beforeEach, describe, expect, it } from 'vitest';
import type { CloudPlan } from '../../src/explore/cloud/cloud-world.ts';
import { createFarSide, type FarSide } from '../../src/explore/cloud/far-side.ts';
import type { Fault } from '../../src/explore/faults.ts';
import type { CallEntry, HistoryEntry } from '../../src/explore/history.ts';
import { createRandomness } from '../../src/explore/randomness.ts';
import { createScheduler, type Scheduler } from '../../src/explore/scheduler.ts';
import type { BatchCall, Placement } from '../../src/fleet/provider.ts';

const placement: Placement = { pool: 'guests', name: 'here', provider: 'memory', spec: {} };
const plan: CloudPlan = { actMs: 500, lagMs: 0, replaySafe: ['launch'], lanes: 'verb', listsGone: true };

let scheduler: Scheduler;
let history: HistoryEntry[];
let far: FarSide;
/** What goes wrong with every call until this changes. */
let fault: Fault | undefined;
beforeEach(() => {
  const random = createRandomness(1);
  scheduler = createScheduler(random, 0);
  history = [];
  fault = undefined;
  const isFaulty = (each: Fault): boolean => each === fault;
  far = createFarSide({ scheduler, random, history, plan, isFaulty, count: () => undefined });
});

/** A launch of two machines under this token. */
function launch(batch = 'token'): BatchCall {
  const members = ['m1', 'm2'].map((machine) => ({ machine, instance: null }));
  return { batch, verb: 'launch', placement, members, handle: null };
}

function stop(instance: string): BatchCall {
  const members = [{ machine: 'm1', instance }];
  return { batch: 'halt', verb: 'stop', placement, members, handle: null };
}

/** Has a call arrive that meets this; answers the code of its error, or the instances launched under its token. */
function send(call: BatchCall, meets?: Fault): string | string[] {
  fault = meets;
  const reply = far.receive(call);
  return 'error' in reply ? reply.error.code : reply.answer.launched.map((each) => each.instance);
}

/** Lets everything happen that is under way. */
async function settle(): Promise<void> {
  fault = undefined;
  for (let step = 0; step < 1000; step += 1) if (!(await scheduler.step())) return;
  throw new Error('the cloud never came to rest');
}

const calls = (): CallEntry[] => history.filter((entry) => entry.type === 'call');

describe('the cloud answers for a launch’s token', () => {
  it('one that it has refused stays refused, and makes nothing', async () => {
    expect([send(launch(), 'refused'), send(launch()), send(launch(), 'throttled')]).toEqual([
      'refused',
      'refused',
      'refused',
    ]);
    await settle();
    expect(far.instances.size).toBe(0);
    expect(calls().map((call) => call.status)).toEqual([400, 400, 400]);
  });

  it('a refusal is that token’s alone', () => {
    send(launch(), 'refused');
    expect(send(launch('another'))).toEqual(['i-1', 'i-2']);
  });

  it('one that it has executed is never refused for good, and is executed once', () => {
    expect(send(launch())).toEqual(['i-1', 'i-2']);
    expect(send(launch(), 'refused')).toEqual(['i-1', 'i-2']);
    expect(send(launch(), 'throttled')).toBe('throttled');
    expect(far.instances.size).toBe(2);
  });

  it('one whose reply was lost has been executed, and its replay is told so', () => {
    expect(send(launch(), 'lostReply')).toBe('unknown-reply');
    expect(far.instances.size).toBe(2);
    expect(send(launch(), 'refused')).toEqual(['i-1', 'i-2']);
    expect(far.instances.size).toBe(2);
  });

  it('one that is still on its way is not refused, and comes to nothing once a replay was faster', async () => {
    expect(send(launch(), 'lateEffect')).toBe('unknown-reply');
    expect(far.instances.size).toBe(0);
    expect(send(launch(), 'refused')).toEqual(['i-1', 'i-2']);
    await settle();
    expect(far.instances.size).toBe(2);
  });

  it('one that is still on its way is executed at last', async () => {
    send(launch(), 'lateEffect');
    await settle();
    expect([...far.instances.values()].map((each) => each.state)).toEqual(['running', 'running']);
  });
});

it('a stop that was refused may be asked for again', async () => {
  send(launch());
  await settle();
  expect(send(stop('i-1'), 'refused')).toBe('refused');
  expect(far.instances.get('i-1')?.state).toBe('running');
  expect(send(stop('i-1'))).toEqual([]);
  await settle();
  expect(far.instances.get('i-1')?.state).toBe('stopped');
});

it.each([
  ['throttled', 429, 'throttled'],
  ['unavailable', 503, 'unavailable'],
  ['refused', 400, 'refused'],
  ['lostReply', 0, null],
  ['lateEffect', 0, null],
] as const)('a call that met %s is in the history with its status', (meets, status, code) => {
  send(launch(), meets);
  expect(calls()).toMatchObject([{ verb: 'launch', token: 'token', fault: meets, status, code }]);
});
