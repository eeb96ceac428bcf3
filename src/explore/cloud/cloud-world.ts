import type { Verb } from '../../fleet/provider.ts';
import type { Fault } from '../faults.ts';
import type { HistoryEntry } from '../history.ts';
import type { Randomness } from '../randomness.ts';
import type { Scheduler } from '../scheduler.ts';

/** How one run's cloud behaves, faults aside. Durations in milliseconds. */
export interface CloudPlan {
  /** The longest that an act takes. */
  actMs: number;
  /** How far behind a listing may be. */
  lagMs: number;
  /** Verbs that are executed once, however often their batch is sent. */
  replaySafe: readonly Verb[];
  /**
   * One lane for each scale set, held until its call is over, whose instances do not say which launch made them; or a
   * lane for each verb, free at once, and instances that do.
   */
  lanes: 'set' | 'verb';
  /** A listing names what has gone a while ago, instead of leaving it out. */
  listsGone: boolean;
}

/** What the cloud is given of its run. */
export interface CloudWorld {
  scheduler: Scheduler;
  random: Randomness;
  history: HistoryEntry[];
  plan: CloudPlan;
  /** True, and counted, where this fault is to happen now. */
  isFaulty(fault: Fault): boolean;
  /** Notes a fault that has come about by itself. */
  count(fault: Fault): void;
}
