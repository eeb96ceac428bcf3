import type { ScaledClock } from '../scaled-clock.ts';

/** What is to happen in cloud time; emptied when the emulator closes, so that nothing happens after it. */
export interface Agenda {
  /** Runs `action` once after this much cloud time. The answer cancels it. */
  after(cloudMs: number, action: () => void): () => void;
  clear(): void;
}

export function createAgenda(clock: ScaledClock): Agenda {
  const pending = new Set<() => void>();
  return {
    after(cloudMs, action) {
      const cancel = clock.after(cloudMs, () => {
        pending.delete(cancel);
        action();
      });
      pending.add(cancel);
      return () => {
        pending.delete(cancel);
        cancel();
      };
    },
    clear() {
      for (const cancel of pending) cancel();
      pending.clear();
    },
  };
}
