/** Keys with an owner and an end, as Redis keeps them. */
export interface LockTable {
  take(key: string, owner: string, untilMs: number): boolean;
  /** Extends a lock that is still its owner's; false where it is not. */
  keep(key: string, owner: string, untilMs: number): boolean;
  free(key: string, owner: string): void;
  keys(): readonly string[];
  /** Loses one as an expiry does it: its owner does not know. */
  lose(key: string): void;
  empty(): void;
}

/** `isLost` says whether a lock that somebody holds is lost just when another asks for it. */
export function createLockTable(nowMs: () => number, isLost: () => boolean): LockTable {
  const held = new Map<string, { owner: string; untilMs: number }>();
  const ownerOf = (key: string): string | undefined => {
    const lock = held.get(key);
    return lock !== undefined && lock.untilMs > nowMs() ? lock.owner : undefined;
  };
  return {
    take(key, owner, untilMs) {
      if (ownerOf(key) !== undefined && !isLost()) return false;
      held.set(key, { owner, untilMs });
      return true;
    },
    keep(key, owner, untilMs) {
      if (ownerOf(key) !== owner) return false;
      held.set(key, { owner, untilMs });
      return true;
    },
    free(key, owner) {
      if (ownerOf(key) === owner) held.delete(key);
    },
    keys: () => [...held.keys()].filter((key) => ownerOf(key) !== undefined),
    lose: (key) => void held.delete(key),
    empty: () => held.clear(),
  };
}
