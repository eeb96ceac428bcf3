/** Everything that a run lets go wrong. */
export const FAULTS = [
  // Processes
  'crash',
  'apiCrash',
  'pausedWorker',
  'slowCall',
  'slowNetwork',
  'lateWrite',
  'clockJump',
  // Queues and locks
  'lockLost',
  'duplicateJob',
  'lostJob',
  'lateJob',
  'outOfOrder',
  'redisEmptied',
  // Cloud
  'throttled',
  'refused',
  'unavailable',
  'lostReply',
  'lateEffect',
  'partialLaunch',
  'slowLaunch',
  'resetFailed',
  'undeletable',
  'silentGuest',
  'vanished',
  'interrupted',
  'stray',
  'leftOver',
  'laggingListing',
  // People
  'operatorIntent',
  'poolChanged',
  'clientGone',
  'cancelled',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Those that a cloud call may meet when it arrives. */
export const CALL_FAULTS = ['throttled', 'refused', 'unavailable', 'lostReply', 'lateEffect'] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

export type Counted = Record<string, number>;

export interface Faults {
  /** Asked each time one is about to happen; false for those that this run is to do without. */
  admits(fault: Fault): boolean;
  /** The places of all that were about to happen. */
  places(): readonly string[];
  /** Notes that one was really let happen. */
  count(fault: Fault): void;
  /** Zeros included. */
  counts(): Counted;
}

/**
 * Each fault of a run has a place, `crash:0` for the first crash. With `only`, faults of all other places are kept
 * from happening. Numbered by kind, places mean much the same in a run with fewer faults.
 */
export function createFaults(only?: ReadonlySet<string>): Faults {
  const counts: Counted = Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  const asked = new Map<Fault, number>();
  const places: string[] = [];
  return {
    admits(fault) {
      const number = asked.get(fault) ?? 0;
      asked.set(fault, number + 1);
      const place = `${fault}:${number}`;
      places.push(place);
      return only === undefined || only.has(place);
    },
    places: () => places,
    count: (fault) => void (counts[fault] = (counts[fault] ?? 0) + 1),
    counts: () => ({ ...counts }),
  };
}
