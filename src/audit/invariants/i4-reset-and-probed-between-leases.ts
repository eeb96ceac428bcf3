import type { EffectRecord, HistoryRecord, MachineRecord } from '../history.ts';
import type { Hold } from '../holds.ts';
import { firstFrom, wholeMs } from '../order.ts';
import type { Timeline } from '../timeline.ts';
import { openVerdict, type OpenVerdict, type Verdict } from '../verdict.ts';

/**
 * I4: a machine is leased again only after a reset known to have succeeded since its last lease, and a probe.
 *
 * Between the release of one lease and the beginning of the next lease of the same machine lie, in this order: a
 * reset effect in the cloud, the row's move to booting (so that the success was known and not hoped for), and its
 * move from booting to ready, which says clean. The row that the match found says clean, too.
 *
 * Checked: the second and each later lease of one machine.
 */
export function resetAndProbedBetweenLeases(timeline: Timeline): Verdict {
  const open = openVerdict('I4');
  for (const holds of timeline.holds.values()) {
    for (const [index, hold] of holds.entries()) {
      const earlier = holds[index - 1];
      if (earlier === undefined) continue;
      open.count();
      judge(timeline, open, { earlier, hold });
    }
  }
  return open.verdict;
}

interface Again {
  earlier: Hold;
  hold: Hold;
}

function judge(timeline: Timeline, open: OpenVerdict, { earlier, hold }: Again): void {
  const rows = rowsBetween(timeline, { earlier, hold });
  const ready = rows.findLast((row) => row.from === 'booting' && row.to === 'ready');
  const booting = rows.findLast((row) => row.to === 'booting' && row.from !== 'booting');
  const missing = findMissing(timeline, { rows, ready, booting });
  if (missing === undefined) return;
  const shown: (HistoryRecord | null | undefined)[] = [earlier.released, booting, ready, hold.leased];
  open.report({
    at: hold.leased.committedAt,
    subject: hold.machine,
    message: `machine ${hold.machine} was leased to ${hold.lease} after ${earlier.lease} ${missing}`,
    records: shown.filter((record) => record !== null && record !== undefined),
  });
}

/** The machine's rows from its release to the one that the match found; empty where it was never released. */
function rowsBetween(timeline: Timeline, { earlier, hold }: Again): MachineRecord[] {
  if (earlier.releasedIndex === null) return [];
  return (timeline.machines.get(hold.machine) ?? []).slice(earlier.releasedIndex, hold.leasedIndex);
}

interface Between {
  rows: readonly MachineRecord[];
  ready: MachineRecord | undefined;
  booting: MachineRecord | undefined;
}

function findMissing(timeline: Timeline, { rows, ready, booting }: Between): string | undefined {
  const [released] = rows;
  if (released === undefined) return 'without a release in between';
  if (ready === undefined || booting === undefined) return 'without a boot and a probe in between';
  if (!ready.clean || rows.at(-1)?.clean !== true) return 'although its row did not say clean';
  const instances = timeline.instancesOf.get(released.machine) ?? new Set<string>();
  const span = { from: released.committedAt, to: booting.committedAt };
  const isReset = [...instances].some((instance) => hasReset(timeline.effectsOn.get(instance) ?? [], span));
  return isReset ? undefined : 'without a reset that had taken effect before it booted';
}

function hasReset(effects: readonly EffectRecord[], { from, to }: { from: number; to: number }): boolean {
  const start = firstFrom(effects, wholeMs(from), (effect) => effect.at);
  for (let index = start; index < effects.length; index += 1) {
    const effect = effects[index];
    if (effect === undefined || wholeMs(effect.at) > wholeMs(to)) return false;
    if (effect.effect === 'reset') return true;
  }
  return false;
}
