import type { RunWorld } from '../world.ts';

const PATIENCE_MS = 20_000;

/**
 * Waits for a bad moment and acts in it, whenever the scheduler then chooses so; where none comes in good time, acts
 * without.
 */
export function lieInWait<T>(
  world: RunWorld,
  on: { label: string; sees(): T | undefined; act(seen: T | undefined): void | Promise<void> },
): void {
  const { scheduler } = world;
  let isOver = false;
  const strike = async (seen: T | undefined): Promise<void> => {
    if (isOver) return;
    isOver = true;
    takeBack();
    await on.act(seen);
  };
  const takeBack = scheduler.offer(() => {
    const seen = on.sees();
    return seen === undefined ? [] : [{ label: `${on.label} at a bad moment`, fire: () => strike(seen) }];
  });
  scheduler.timer(null, PATIENCE_MS, { label: `${on.label} after all`, fire: () => strike(undefined) });
}
