import { FlowProducer } from 'bullmq';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createConnections, type Connections } from '../../src/queues/connections.ts';
import { createPublisher, toFlow, type Publisher } from '../../src/queues/publisher.ts';
import { createTidy } from '../../src/queues/tidy.ts';
import { testRedis } from '../support/services.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
let connections: Connections;
let publisher: Publisher;
let flows: FlowProducer;

beforeAll(() => {
  const { url, prefix } = testRedis();
  connections = createConnections({ url, onError: () => undefined });
  publisher = createPublisher({ connection: connections.producer, prefix });
  flows = new FlowProducer({ connection: connections.producer, prefix });
});

afterAll(async () => {
  await flows.close();
  await publisher.close();
  await connections.close();
});

test('jobs that wait for nothing any more leave Redis once their intent has closed, and not before', async () => {
  for (const intent of ['open', 'closed']) {
    const flow = toFlow({
      ...{ id: 1, kind: 'flow', machine: 'm', intent, pool: 'p', state: 'leased', intentKind: 'retire' },
    });
    if (flow === undefined) throw new Error('a leased machine that retires owes steps');
    await flows.add(flow);
  }
  const tidy = createTidy({
    queues: publisher.queues,
    openIntents: async (intents) => new Set(intents.filter((intent) => intent === 'open')),
    everyMs: 60_000,
    log: silent,
  });
  expect(await tidy.tidyOnce()).toBeGreaterThan(0);
  const left = async (step: 'delete' | 'release', intent: string) =>
    publisher.queues.get(step)?.getJob(`${step}.${intent}.0`);
  expect(await left('delete', 'open')).toBeDefined();
  expect(await left('release', 'open')).toBeDefined();
  expect(await left('delete', 'closed')).toBeUndefined();
  expect(await left('release', 'closed')).toBeUndefined();
  expect(await tidy.tidyOnce()).toBe(0);
});
