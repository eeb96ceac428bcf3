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

export interface FaultCounts {
  /** Notes that one was really let happen. */
  count(fault: Fault): void;
  /** Zeros included. */
  counts(): Counted;
}

export function createFaultCounts(): FaultCounts {
  const counts: Counted = Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  return {
    count: (fault) => void (counts[fault] = (counts[fault] ?? 0) + 1),
    counts: () => ({ ...counts }),
  };
}
