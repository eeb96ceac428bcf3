import type { FlowJob } from 'bullmq';
import { Worker } from 'bullmq';
import { describe, expect, onTestFinished, test } from 'vitest';
import { INTENT_KINDS, MACHINE_STATES, stepsOwed } from '../../src/fleet/lifecycle.ts';
import type { Bell } from '../../src/fleet/outbox.ts';
import { toFlow } from '../../src/queues/publisher.ts';
import { openQueues, type OpenQueues, until } from './open-queues.ts';

const now = new Date();
type FlowBell = Extract<Bell, { kind: 'flow' }>;

const aFlow = (over: Partial<FlowBell> = {}): FlowBell => ({
  ...{ id: 1, kind: 'flow', machine: 'm', intent: 'i', pool: 'p', state: 'leased', intentKind: 'retire' },
  ...over,
});

/** From the root, which runs last, to the leaf, which runs first. */
function nodesOf(flow: FlowJob | undefined): FlowJob[] {
  if (flow === undefined) return [];
  expect(flow.children?.length ?? 0).toBeLessThanOrEqual(1);
  return [flow, ...nodesOf(flow.children?.[0])];
}

const PAIRS = MACHINE_STATES.flatMap((state) => INTENT_KINDS.map((intentKind) => ({ state, intentKind })));

describe.each(PAIRS)(
  'the flow of a machine that is $state with an intent to $intentKind',
  ({ state, intentKind }) => {
    const steps = stepsOwed(state, intentKind);
    const nodes = nodesOf(toFlow(aFlow({ state, intentKind })));

    test('is the steps it owes, each waiting for the one before', () => {
      expect(nodes.map((node) => node.queueName).toReversed()).toEqual(steps);
      expect(nodes.map((node) => node.opts?.jobId).toReversed()).toEqual(steps.map((step) => `${step}.i.0`));
      for (const node of nodes) expect(node.data).toEqual({ machine: 'm', intent: 'i', pool: 'p', ring: 0 });
    });

    test('delays the job of a deletion that follows a release, and no other', () => {
      const delayed = nodes.filter((node) => node.opts?.delay !== undefined).map((node) => node.name);
      expect(delayed).toEqual(steps.includes('release') && steps.includes('delete') ? ['delete'] : []);
    });

    test('lets no step run after one that failed, and keeps what failed', () => {
      const [root, ...children] = nodes;
      expect(root?.opts?.failParentOnFailure).toBeUndefined();
      for (const child of children) expect(child.opts?.failParentOnFailure).toBe(true);
      for (const node of nodes) expect(node.opts?.removeOnFail).toBe(false);
      for (const node of nodes) {
        expect(node.opts).not.toHaveProperty('ignoreDependencyOnFailure');
        expect(node.opts).not.toHaveProperty('removeDependencyOnFailure');
        expect(node.opts).not.toHaveProperty('continueParentOnFailure');
      }
    });
  },
);

test('no flow is published for an intent that owes nothing', async () => {
  const { publisher, ids } = openQueues();
  expect(toFlow(aFlow({ state: 'deleted' }))).toBeUndefined();
  expect(await publisher.publish([aFlow({ state: 'deleted' })], now)).toEqual(new Map());
  expect(await ids('delete')).toEqual([]);
});

test('a step that finally fails fails those after it without their having run', async () => {
  const { publisher, stateOf, connections, prefix } = openQueues();
  await publisher.publish([aFlow()], now);
  const ran: string[] = [];
  for (const name of ['stop', 'release', 'delete'] as const) {
    const work = async () => {
      ran.push(name);
      throw new Error('no luck');
    };
    const worker = new Worker(name, work, {
      ...{ connection: connections.worker(), prefix, settings: { backoffStrategy: () => 1 } },
    });
    onTestFinished(() => worker.close());
  }
  await until('the last step to have failed', async () =>
    (await stateOf('delete', 'delete.i.0')) === 'failed' ? true : undefined,
  );
  expect(new Set(ran)).toEqual(new Set(['stop']));
  expect(await stateOf('release', 'release.i.0')).toBe('failed');
});

test('a bell delivered twice makes one job', async () => {
  const { publisher, ids } = openQueues();
  const step: Bell = { id: 2, kind: 'step', machine: 'm', intent: 'i', pool: 'p', step: 'stop', ring: 3 };
  const batch: Bell = { id: 3, kind: 'batch', batch: 'b', ring: 1 };
  for (let times = 0; times < 2; times += 1) await publisher.publish([aFlow(), step, batch], now);
  expect((await ids('stop')).toSorted()).toEqual(['stop.i.0', 'stop.i.3']);
  expect(await ids('release')).toEqual(['release.i.0']);
  expect(await ids('delete')).toEqual(['delete.i.0']);
  expect(await ids('batch')).toEqual(['batch.b.1']);
});

describe('a wake', () => {
  const wake = (job: string, tries = 0): Bell => ({ id: 7, kind: 'wake', job, tries });

  async function delayedBatch({ publisher, stateOf }: OpenQueues): Promise<string> {
    await publisher.batch('b', 0, 600_000);
    expect(await stateOf('batch', 'batch.b.0')).toBe('delayed');
    return 'batch.b.0';
  }

  test('has a delayed job run at once', async () => {
    const queues = openQueues();
    const id = await delayedBatch(queues);
    expect(await queues.publisher.publish([wake(id)], now)).toEqual(new Map());
    expect(await queues.stateOf('batch', id)).toBe('waiting');
    expect(await queues.publisher.publish([wake(id)], now)).toEqual(new Map());
  });

  test('of a job that still waits for the one before it is to be repeated soon, but not for ever', async () => {
    const { publisher } = openQueues();
    await publisher.publish([aFlow()], now);
    expect([...(await publisher.publish([wake('delete.i.0')], now)).keys()]).toEqual([7]);
    expect(await publisher.publish([wake('delete.i.0', 400)], now)).toEqual(new Map());
  });

  test('of a job that is still active is to be repeated soon, but not for ever', async () => {
    const { publisher, stateOf, connections, prefix } = openQueues();
    await publisher.batch('b', 0, 0);
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
    const worker = new Worker('batch', () => ended, { connection: connections.worker(), prefix });
    onTestFinished(async () => {
      end(undefined);
      await worker.close();
    });
    await until('the job to be active', async () =>
      (await stateOf('batch', 'batch.b.0')) === 'active' ? true : undefined,
    );
    const again = await publisher.publish([wake('batch.b.0')], now);
    expect([...again.keys()]).toEqual([7]);
    expect(again.get(7)?.getTime()).toBeGreaterThan(now.getTime());
    expect(await publisher.publish([wake('batch.b.0', 10_000)], now)).toEqual(new Map());
  });

  test.each(['stop.unknown.0', 'nothing.of.ours', 'stop'])(
    'of %s, which is not there, is over',
    async (job) => {
      expect(await openQueues().publisher.publish([wake(job)], now)).toEqual(new Map());
    },
  );
});

test('of some jobs those that will run are live', async () => {
  const { publisher, connections, prefix, stateOf } = openQueues();
  const step = (intent: string): Bell => ({
    id: 1,
    kind: 'step',
    machine: 'm',
    intent,
    pool: 'p',
    step: 'stop',
    ring: 0,
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  const worker = new Worker(
    'stop',
    async (job) => {
      if (job.data.intent === 'failed') throw new Error('no luck');
      if (job.data.intent === 'active') await ended;
    },
    { connection: connections.worker(), prefix, concurrency: 1, settings: { backoffStrategy: () => 1 } },
  );
  onTestFinished(async () => {
    end(undefined);
    await worker.close();
  });
  const is = (id: string, state: string) =>
    until(`${id} to be ${state}`, async () => ((await stateOf('stop', id)) === state ? true : undefined));
  await publisher.publish([step('done')], now);
  await is('stop.done.0', 'completed');
  await publisher.queues.get('stop')?.add('stop', { intent: 'failed' }, { jobId: 'stop.failed.0' });
  await is('stop.failed.0', 'failed');
  await publisher.publish([step('active')], now);
  await is('stop.active.0', 'active');
  await publisher.publish([step('waiting'), aFlow({ intent: 'flow' })], now);
  await publisher.batch('later', 0, 600_000);
  const asked = [
    ...['done', 'failed', 'active', 'waiting', 'missing'].map((intent) => ({
      queue: 'stop',
      id: `stop.${intent}.0`,
    })),
    { queue: 'release', id: 'release.flow.0' },
    { queue: 'batch', id: 'batch.later.0' },
    { queue: 'unheard of', id: 'stop.waiting.0.' },
  ];
  const live = await publisher.live(asked);
  expect([...live].toSorted()).toEqual(['batch.later.0', 'stop.active.0', 'stop.waiting.0']);
  expect(await publisher.live([])).toEqual(new Set());
});

test('a pool is looked at once however often it is asked for', async () => {
  const { publisher, ids } = openQueues();
  await Promise.all([1, 2, 3].map(() => publisher.scale('guests')));
  await publisher.scale('others');
  expect((await ids('scale')).length).toBe(2);
});

test('a pool asked for while it is being looked at is looked at once more', async () => {
  const { publisher, connections, prefix } = openQueues();
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  let looks = 0;
  const worker = new Worker(
    'scale',
    async () => {
      looks += 1;
      if (looks === 1) await ended;
    },
    { connection: connections.worker(), prefix },
  );
  onTestFinished(() => worker.close());
  await publisher.scale('guests');
  await until('the first look', async () => (looks === 1 ? true : undefined));
  await Promise.all([1, 2, 3].map(() => publisher.scale('guests')));
  end(undefined);
  await until('the second look', async () => (looks === 2 ? true : undefined));
  await until('quiet', async () => {
    const counts = await publisher.queues.get('scale')?.getJobCounts('waiting', 'active', 'delayed');
    return Object.values(counts ?? { none: 1 }).every((count) => count === 0) ? true : undefined;
  });
  expect(looks).toBe(2);
});
