/** A write of the database. */
export interface Committed {
  seq: number;
  committedAt: number;
}

/**
 * The order in which commits became true for everybody. Writes of one transaction share `committedAt`; a write that
 * waited for another always has the higher `seq`, so that equal times cannot turn cause and effect round.
 */
export function byCommit(a: Committed, b: Committed): number {
  return a.committedAt - b.committedAt || bySeq(a, b);
}

/** The order of one row's writes: they wait for each other's row lock, whatever a clock does. */
export function bySeq(a: Committed, b: Committed): number {
  return a.seq - b.seq || byText(a, b);
}

/** Sorts by `at`, then by name, so that the result is the same whatever order the records came in. */
export function sortByTime<T extends { at: number }>(
  records: readonly T[],
  nameOf: (record: T) => string,
): T[] {
  return records.toSorted((a, b) => a.at - b.at || compareText(nameOf(a), nameOf(b)) || byText(a, b));
}

/** Clouds log whole milliseconds, the database finer ones; within one millisecond nobody can tell what came first. */
export function wholeMs(at: number): number {
  return Math.floor(at);
}

/** Index of the first item, in a list sorted by `timeOf`, whose time is `from` or later; the length where none is. */
export function firstFrom<T extends object | number>(
  sorted: readonly T[],
  from: number,
  timeOf: (item: T) => number,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = sorted[middle];
    if (item !== undefined && timeOf(item) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function byText(a: object, b: object): number {
  return compareText(JSON.stringify(a), JSON.stringify(b));
}

/** By code units: the same on every machine, whatever its language. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
