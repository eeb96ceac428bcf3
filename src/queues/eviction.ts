import { Cluster } from 'ioredis';
import type { Log } from '../fleet/ports.ts';
import type { RedisLine } from './connections.ts';

const SAFE = 'noeviction';
const WHAT_TO_DO = `set "maxmemory-policy ${SAFE}" in its configuration, or in the parameters of the service`;

/** A Redis that may throw jobs away: nothing is to be started on it. */
export class EvictionError extends Error {
  constructor(policy: string) {
    super(
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}), and with them jobs and their locks: ${WHAT_TO_DO}`,
    );
    this.name = 'EvictionError';
  }
}

/**
 * Throws an EvictionError where Redis, or a node of its cluster, would throw jobs away to make room. Where it does not
 * tell (it is away, or the user may not ask), a warning says what to look at.
 */
export async function refuseEviction(on: { connection: RedisLine; log: Log }): Promise<void> {
  const policies = await readPolicies(on.connection).catch((err: unknown) => {
    on.log.warn({ err }, `could not ask Redis whether it evicts keys: ${WHAT_TO_DO}`);
    return [];
  });
  for (const policy of policies) if (policy !== SAFE) throw new EvictionError(policy);
}

/** INFO tells it even where a service forbids CONFIG. */
async function readPolicies(connection: RedisLine): Promise<string[]> {
  const nodes = connection instanceof Cluster ? connection.nodes('master') : [connection];
  return Promise.all(
    nodes.map(async (node) => {
      const [, policy] = /^maxmemory_policy:(\S+)/m.exec(await node.info('memory')) ?? [];
      if (policy === undefined) throw new Error('INFO memory names no maxmemory_policy');
      return policy;
    }),
  );
}
