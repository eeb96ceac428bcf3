/**
 * The tag that makes growing a set safe to repeat. A PATCH that raises the capacity writes in the same request, so
 * in the same instant, which batch grew the set and from where. Whoever sends that batch again (its answer was lost,
 * or its process died before the handle was stored) finds its own batch here and only watches. If-Match covers the
 * rest: of two growths that read the same ETag one is refused, and a late one carries an ETag that is gone.
 *
 * The lane lets one batch at a time grow a set, so the newest entry would do; the few older ones are for a process
 * that was paused past the end of its batch and wakes while a later one is at work.
 */
const TAG = 'drover-growths';
const OWNER_TAG = 'drover-installation';
/** The vendor's limit for a tag's value. */
const LONGEST_TAG = 256;

export interface GrowthMarker {
  batch: string;
  /** The set's capacity before and after. */
  before: number;
  after: number;
  /** The highest instance number there was; what a uniform set makes later has a higher one. -1 for an empty set. */
  highest: number;
}

type Tags = Readonly<Record<string, string>> | undefined;

/**
 * This batch's growth, and the highest number that can be its own where a later growth says so; undefined where the
 * batch has not grown the set.
 */
export function findGrowth(
  tags: Tags,
  batch: string,
): { growth: GrowthMarker; last: number | null } | undefined {
  const known = growths(tags);
  const index = known.findIndex((each) => each.batch === batch);
  const growth = known[index];
  return growth === undefined ? undefined : { growth, last: known[index - 1]?.highest ?? null };
}

/** All tags the set shall have, its own included: the newest growth first, older ones as far as they fit. */
export function withGrowth(tags: Tags, growth: GrowthMarker, installation: string): Record<string, string> {
  let value = toText(growth);
  for (const older of growths(tags)) {
    const longer = `${value} ${toText(older)}`;
    if (longer.length > LONGEST_TAG) break;
    value = longer;
  }
  return { ...tags, [TAG]: value, [OWNER_TAG]: installation };
}

/** The installation that grew the set last; undefined for a set that no installation has grown yet. */
export function ownerOf(tags: Tags): string | undefined {
  return tags?.[OWNER_TAG];
}

function growths(tags: Tags): GrowthMarker[] {
  return (tags?.[TAG] ?? '').split(' ').flatMap((entry) => {
    const [batch, ...numbers] = entry.split(':');
    const [before, after, highest] = numbers.map(Number);
    const isWhole = [before, after, highest].every((number) => Number.isSafeInteger(number));
    if (
      batch === undefined ||
      before === undefined ||
      after === undefined ||
      highest === undefined ||
      !isWhole
    )
      return [];
    return [{ batch, before, after, highest }];
  });
}

function toText({ batch, before, after, highest }: GrowthMarker): string {
  return `${batch}:${before}:${after}:${highest}`;
}
