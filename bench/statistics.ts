/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The least, the middle and the most, under names that end so. */
export function spread(name: string, values: readonly number[]): Record<string, number> {
  return {
    [`${name}Min`]: Math.min(...values),
    [`${name}Median`]: median(values),
    [`${name}Max`]: Math.max(...values),
  };
}
