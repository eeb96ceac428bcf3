import type { Listener } from './listener.ts';

export interface LeaseWaits {
  /** Resolves when this lease has changed, when `deadline` has come, or when `signal` aborts, whichever is first. */
  until(lease: string, deadline: Date, signal: AbortSignal): Promise<void>;
}

/** Hears of leases that changed; a notification may be lost, so whoever waits also looks. */
export function createLeaseWaits(listener: Pick<Listener, 'on'>, now: () => Date): LeaseWaits {
  const waiting = new Map<string, Set<() => void>>();
  listener.on('drover_lease', (leases) => {
    for (const lease of leases.split(' ')) for (const wake of waiting.get(lease) ?? []) wake();
  });
  return {
    until: (lease, deadline, signal) =>
      new Promise((resolve) => {
        const wakes = waiting.get(lease) ?? new Set();
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wakes.delete(done);
          if (wakes.size === 0) waiting.delete(lease);
          resolve();
        };
        const timer = setTimeout(done, Math.max(0, deadline.getTime() - now().getTime()));
        signal.addEventListener('abort', done, { once: true });
        waiting.set(lease, wakes.add(done));
        if (signal.aborted) done();
      }),
  };
}
