import type { Randomness } from './randomness.ts';

/** What goes wrong with a call that a fault hits. */
export type FaultKind =
  /** refused with the vendor's throttling answer, nothing done */
  | 'throttled'
  /** refused with the vendor's answer `code` (capacity, quota, wrong state ...), nothing done */
  | 'refused'
  /** done, but the connection is cut before the answer */
  | 'lost-reply'
  /** accepted and answered, but the asynchronous operation fails with `code` */
  | 'operation-failed'
  /** done, but later: the effect starts `delayMs` of cloud time after the call */
  | 'late-effect';

export interface Fault {
  kind: FaultKind;
  /** The operation it hits (EC2's Action or the ARM operation's name). */
  operation: string;
  /** How many matching calls it still hits. */
  times: number;
  /** Matching calls to let pass first. */
  skip?: number;
  /** The chance that a matching call is hit, from 0 to 1; 1 by default. */
  chance?: number;
  /** Only calls that name this instance. */
  instance?: string;
  code?: string;
  delayMs?: number;
}

export interface Faults {
  add(fault: Fault): void;
  clear(): void;
  /** The fault that hits this call, if any; it is used up by being returned. */
  take(operation: string, instances: readonly string[]): Fault | undefined;
  /** How often each kind has hit. */
  hits(): Record<string, number>;
}

export function createFaults(randomness: Randomness): Faults {
  let waiting: Fault[] = [];
  const hits = new Map<string, number>();
  const isHit = (fault: Fault): boolean => {
    if ((fault.skip ?? 0) > 0) {
      fault.skip = (fault.skip ?? 0) - 1;
      return false;
    }
    return randomness.next() < (fault.chance ?? 1);
  };
  return {
    add: (fault) => void waiting.push({ ...fault }),
    clear: () => void (waiting = []),
    take(operation, instances) {
      const matching = waiting.filter(
        (fault) =>
          fault.operation === operation &&
          (fault.instance === undefined || instances.includes(fault.instance)),
      );
      const fault = matching.find(isHit);
      if (fault === undefined) return undefined;
      fault.times -= 1;
      waiting = waiting.filter((each) => each.times > 0);
      hits.set(fault.kind, (hits.get(fault.kind) ?? 0) + 1);
      return { ...fault };
    },
    hits: () => Object.fromEntries(hits),
  };
}
