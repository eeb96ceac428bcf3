import { onTestFinished } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import type { QueueName } from '../../src/queues/catalogue.ts';
import { createConnections, type Connections, type RedisLine } from '../../src/queues/connections.ts';
import { createPublisher, type Publisher } from '../../src/queues/publisher.ts';
import { testRedis } from '../support/services.ts';

/** One process's way to the queues, closed when its test is over. */
export interface OpenQueues {
  prefix: string;
  connections: Connections;
  publisher: Publisher;
  redis: RedisLine;
  stateOf(queue: QueueName, id: string): Promise<string>;
  /** The ids of the jobs that would run or have run, oldest first. */
  ids(queue: QueueName): Promise<string[]>;
}

/** A prefix that nobody else uses, or the one given: then it is a second process of the same installation. */
export function openQueues(prefix?: string): OpenQueues {
  const server = testRedis();
  const connections = createConnections({ url: server.url, onError: () => undefined });
  const own = prefix ?? server.prefix;
  const publisher = createPublisher({ connection: connections.producer, prefix: own });
  onTestFinished(async () => {
    await publisher.close();
    await connections.close();
  });
  const queue = (name: QueueName) => {
    const found = publisher.queues.get(name);
    if (found === undefined) throw new Error(`there is no queue ${name}`);
    return found;
  };
  return {
    ...{ prefix: own, connections, publisher, redis: connections.producer },
    stateOf: (name, id) => queue(name).getJobState(id),
    async ids(name) {
      return (await queue(name).getJobs([], 0, -1, true)).map((job) => job.id ?? '');
    },
  };
}

/** Asks until there is an answer; fails with what was waited for. */
export async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const answer = await waitUntil({ deadlineMs: 15_000, everyMs: 5 }, probe);
  if (answer === undefined) throw new Error(`waited in vain for ${what}`);
  return answer;
}

/** What FLUSHALL does, to one installation's keys. */
export async function forgetEverything({ redis, prefix }: OpenQueues): Promise<number> {
  const keys = await redis.keys(`${prefix}*`);
  return keys.length === 0 ? 0 : redis.del(keys);
}
