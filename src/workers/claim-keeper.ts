import type { Claims, Clock } from '../fleet/ports.ts';
import type { BatchActs } from '../fleet/store.ts';

/** Renews batches' claims while their cloud calls are under way. */
export function createClaimKeeper(options: {
  store: Pick<BatchActs, 'renewBatch'>;
  clock: Clock;
  claimMs: number;
}): Claims {
  const { store, clock, claimMs } = options;
  return {
    keep({ id, token }) {
      const abort = new AbortController();
      const renew = async (): Promise<void> => {
        const until = new Date(clock.now().getTime() + claimMs);
        // A renewal that got no answer decides nothing: the next one, or the end of the claim, will.
        const kept = await store.renewBatch({ batch: id, token, until }).catch(() => true);
        if (!kept) abort.abort(new Error('the batch was claimed elsewhere'));
      };
      const timer = setInterval(() => void renew(), claimMs / 3);
      timer.unref();
      return { signal: abort.signal, letGo: () => clearInterval(timer) };
    },
  };
}
