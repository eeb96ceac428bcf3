import type { ScaledClock } from '../scaled-clock.ts';

/** What is still to happen, by name: setting a name again replaces what it stood for. */
export interface Timers {
  set(name: string, cloudMs: number, action: () => void): void;
  cancel(name: string): void;
  cancelAll(): void;
}

export function createTimers(clock: ScaledClock): Timers {
  const cancels = new Map<string, () => void>();
  const cancel = (name: string): void => {
    cancels.get(name)?.();
    cancels.delete(name);
  };
  return {
    set(name, cloudMs, action) {
      cancel(name);
      const stop = clock.after(cloudMs, () => {
        cancels.delete(name);
        action();
      });
      cancels.set(name, stop);
    },
    cancel,
    cancelAll: () => [...cancels.keys()].forEach(cancel),
  };
}
