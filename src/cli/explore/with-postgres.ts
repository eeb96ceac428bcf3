import type { Environment } from '../../config.ts';
import type { OpenStore } from '../../explore/explored-store.ts';
import { untilAskedToStop } from '../serving.ts';
import { startExplorePostgres } from './postgres-server.ts';
import { createOpenPostgres } from './postgres-store.ts';

/**
 * Does `work` over databases of an embedded server, which is stopped whatever happens; 'interrupted' where a signal asks
 * for an end before that. Work is told by its own signal, and ends before its server does: it expects a store that
 * never fails. Rejects with a SetupError.
 */
export async function withPostgres<T>(
  options: { env: Environment; say(line: string): void },
  work: (openStore: OpenStore, signal: AbortSignal) => Promise<T>,
): Promise<T | 'interrupted'> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  void untilAskedToStop(false).then(() => interrupt.abort());
  try {
    return await overServer({ ...options, signal }, work);
  } catch (error) {
    if (signal.aborted) return 'interrupted';
    throw error;
  }
}

async function overServer<T>(
  options: Parameters<typeof startExplorePostgres>[0],
  work: (openStore: OpenStore, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const postgres = await startExplorePostgres(options);
  options.say('exploring over PostgreSQL');
  try {
    return await work(createOpenPostgres(postgres), options.signal);
  } finally {
    await postgres.stop();
  }
}
