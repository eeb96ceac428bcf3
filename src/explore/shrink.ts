/** Fewer than this many runs find the fewest faults of most failing seeds. */
const RUNS_MOST = 300;

/**
 * The fewest of these items without which `fails` no longer holds, by delta debugging: halves are left out, then
 * quarters, down to single items. Not the least set there is, but none of its items can be left out alone, unless the
 * runs were used up. `fails` holds for all of them to begin with.
 */
export async function shrink<Item>(
  items: readonly Item[],
  fails: (only: ReadonlySet<Item>) => Promise<boolean>,
): Promise<readonly Item[]> {
  let left = items;
  let parts = 2;
  for (let runs = 0; runs < RUNS_MOST && left.length > 0; runs += parts) {
    const without = await firstFailing(split(left, parts), (part) =>
      fails(new Set(left.filter((item) => !part.includes(item)))),
    );
    if (without !== undefined) {
      left = left.filter((item) => !without.includes(item));
      parts = Math.max(2, parts - 1);
    } else if (parts >= left.length) return left;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}

async function firstFailing<Item>(
  parts: readonly (readonly Item[])[],
  fails: (part: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[] | undefined> {
  for (const part of parts) if (await fails(part)) return part;
  return undefined;
}

function split<Item>(items: readonly Item[], parts: number): Item[][] {
  const size = Math.ceil(items.length / parts);
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
