import { type FailureCode, FleetError } from '../fleet/errors.ts';
import { serveAgain } from '../fleet/leasing.ts';
import type { Pool } from '../fleet/pool.ts';
import type { Ports } from '../fleet/ports.ts';
import type { LeftOver, Placement } from '../fleet/provider.ts';
import type { SweepResult } from '../fleet/reconcile-acts.ts';

interface Sweeping {
  ports: Ports;
  by: string;
  signal: AbortSignal;
}

/** After this many sweeps that should have been, the database may be an older one than the clouds are used to. */
const SWEEPS_MISSED = 10;

/** Where a pool's machines come from, and where some may have been left. */
export function sweptPlacements({ placements, retiredPlacements = [] }: Pool): readonly Placement[] {
  return [...placements, ...retiredPlacements];
}

/** Compares a placement with its cloud. The cloud is listed first, the database looked at second. */
export async function sweep(placement: Placement, sweeping: Sweeping): Promise<void> {
  const { ports, by, signal } = sweeping;
  const listedAt = ports.clock.now();
  const { instances, leftOvers } = await ports.provider(placement).inventory(placement, signal);
  const now = ports.clock.now();
  const { sweepGraceMs: graceMs, sweepMs } = ports.settings;
  const act = { placement, items: instances, leftOvers, listedAt, now, graceMs, by };
  const swept = await ports.store.sweep({ ...act, staleAfterMs: SWEEPS_MISSED * sweepMs });
  tell(ports, placement, swept);
  if (swept.lost.length > 0) await serveAgain(ports, { by });
  await deleteLeftOvers(sweeping, placement, swept.leftOvers);
}

/** A halt is told at each sweep: an alarm that rang once is soon overlooked. */
function tell(ports: Ports, placement: Placement, swept: SweepResult): void {
  const { sighted, condemned, lost, verdict, why, counts } = swept;
  const place = { pool: placement.pool, placement: placement.name, ...counts };
  if (verdict === 'halt') {
    const message =
      'a sweep has halted and ends nothing: see whether the cloud lists what it should, then mend that or run drover confirm-sweep';
    ports.log.error({ ...place, why }, message);
  } else if (verdict === 'report' && counts.condemns + counts.leftOvers + counts.ends > 0) {
    ports.log.warn({ ...place, why }, 'a sweep found a difference and only reports it');
  } else if (condemned.length + lost.length > 0) {
    ports.log.warn({ ...place, sighted, condemned, lost }, 'a sweep found a difference');
  }
}

/** What a cloud answers about the one that it was asked to delete; anything else would hold for the next one, too. */
const ABOUT_ONE: ReadonlySet<FailureCode> = new Set<FailureCode>(['wrong-state', 'refused', 'invalid']);

/**
 * One that is refused waits by itself and holds up none of the others. A cloud that is tired or away is left alone: a
 * round must not wait for fifty time-outs.
 */
async function deleteLeftOvers(
  { ports, signal }: Sweeping,
  placement: Placement,
  leftOvers: readonly LeftOver[],
): Promise<void> {
  for (const leftOver of leftOvers) {
    const about = { ...leftOver, pool: placement.pool, placement: placement.name };
    try {
      await ports.provider(placement).deleteLeftOver(placement, leftOver, signal);
      ports.log.warn(about, 'deleted what no instance has');
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      ports.log.warn({ ...about, err: error }, 'could not delete what no instance has; it is tried again');
      await ports.store.leftOverRefused({ placement, id: leftOver.id, why: error.message });
      if (!ABOUT_ONE.has(error.code)) return;
    }
  }
}
