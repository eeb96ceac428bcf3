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
  'stray',
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
  /**
   * Asked each time one could happen, in the order in which a run comes to them; false for those that this run is to
   * do without.
   */
  admits(): boolean;
  /** How often it was asked. */
  asked(): number;
  /** Notes that one was really let happen. */
  count(fault: Fault): void;
  /** Zeros included. */
  counts(): Counted;
}

/** With `only`, every fault but those, by their place in the run, is kept from happening. */
export function createFaults(only?: ReadonlySet<number>): Faults {
  const counts: Counted = Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  let asked = 0;
  return {
    admits() {
      asked += 1;
      return only === undefined || only.has(asked - 1);
    },
    asked: () => asked,
    count: (fault) => void (counts[fault] = (counts[fault] ?? 0) + 1),
    counts: () => ({ ...counts }),
  };
}
