const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Hours that instances have existed for since midnight UTC, and what they may come to. */
export interface MachineHours {
  used: number;
  /** null for no limit. */
  maxPerDay: number | null;
  /** Since when the limit is known to be reached; null while it is not. */
  reachedAt: Date | null;
}

export interface FleetHours extends MachineHours {
  /** By pool. */
  pools: Readonly<Record<string, MachineHours>>;
}

/** A limit that has begun to hold launches back, or has let them go. */
export interface HoursTurn {
  /** null for the whole fleet's limit. */
  pool: string | null;
  reached: boolean;
  used: number;
  /** null where there is no limit any more. */
  maxPerDay: number | null;
}

/**
 * Machine-hours are counted by instances, whoever owns them: each counts from the look that first showed it until it is
 * known to be gone. No launch is wished for where a pool, or the fleet, has used up what it may in a day.
 */
export interface HoursActs {
  /** Sets the limit of the whole fleet; those of pools come with the pools. */
  limitMachineHours(act: { maxPerDay: number | null }): Promise<void>;
  machineHours(act: { now: Date }): Promise<FleetHours>;
  /** Notes limits that are newly reached, or no longer; each such turn is answered once, to one of all who ask. */
  noteMachineHours(act: { now: Date; by: string }): Promise<readonly HoursTurn[]>;
}

/** The day that machine-hours are counted in: it begins and ends at midnight UTC. */
export function dayOf(now: Date): { begin: Date; end: Date } {
  const beginMs = now.getTime() - (now.getTime() % DAY_MS);
  return { begin: new Date(beginMs), end: new Date(beginMs + DAY_MS) };
}

/** The part of an instance's life that lies between the beginning of the day and now, in hours. */
export function hoursOf(life: { from: Date; until: Date | null }, now: Date): number {
  const from = Math.max(life.from.getTime(), dayOf(now).begin.getTime());
  const until = Math.min(life.until?.getTime() ?? Infinity, now.getTime());
  return Math.max(0, until - from) / HOUR_MS;
}

/** Of these rows, which may be older than `before`, none is purged that still counts in today's hours. */
export function purgeableBefore(act: { before: Date; now: Date }): Date {
  const { begin } = dayOf(act.now);
  return act.before < begin ? act.before : begin;
}
