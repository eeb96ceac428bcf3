import type { Environment } from '../../config.ts';
import { SetupError } from '../../embedded/setup-error.ts';
import type { OpenStore } from '../../explore/explored-store.ts';
import { untilAskedToStop } from '../serving.ts';
import { startExplorePostgres } from './postgres-server.ts';
import { createOpenPostgres } from './postgres-store.ts';

/** Does `work` over databases of an embedded server, which is stopped whatever happens. Rejects with a SetupError. */
export async function withPostgres<T>(
  options: { env: Environment; say(line: string): void },
  work: (openStore: OpenStore) => Promise<T>,
): Promise<T> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  void untilAskedToStop(false).then(() => interrupt.abort());
  const postgres = await startExplorePostgres({ ...options, signal });
  try {
    return await Promise.race([work(createOpenPostgres(postgres)), aborted(signal)]);
  } catch (error) {
    // Whatever fails then, fails for want of its server.
    if (signal.aborted) throw new SetupError('stopped before the end, as asked', { cause: error });
    throw error;
  } finally {
    await postgres.stop();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('asked to stop')), { once: true });
  });
}
