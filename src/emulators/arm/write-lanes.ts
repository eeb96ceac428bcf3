import { ArmError } from './arm-error.ts';
import type { AsyncOperation } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';

/**
 * Writes that overlap on one scale set: the newest preempts the one before it and takes over its job, up to a
 * chain of so many; the write after that waits until the set is free.
 */
export interface WriteLanes {
  /** Calls `begin` now, or when its turn comes; a refusal that comes late fails the operation. */
  enter(operation: AsyncOperation, begin: () => void): void;
}

interface Lane {
  current: AsyncOperation | undefined;
  chain: number;
  waiting: { operation: AsyncOperation; begin: () => void }[];
}

export function createWriteLanes(
  operations: AsyncOperations,
  settings: { preemption: boolean; preemptionChain: number },
): WriteLanes {
  const lanes = new Map<string, Lane>();
  const lead = (lane: Lane, operation: AsyncOperation): void => {
    lane.current = operation;
    operation.onEnd.push(() => {
      if (lane.current === operation) advance(lane);
    });
  };
  const advance = (lane: Lane): void => {
    lane.current = undefined;
    lane.chain = 0;
    const next = lane.waiting.shift();
    if (next === undefined) return;
    if (next.operation.status !== 'InProgress') return advance(lane);
    lead(lane, next.operation);
    try {
      next.begin();
    } catch (error) {
      if (!(error instanceof ArmError)) throw error;
      operations.fail(next.operation, error.code, error.message);
    }
  };
  return {
    enter(operation, begin) {
      if (!settings.preemption) return begin();
      const lane = lanes.get(operation.set) ?? { current: undefined, chain: 0, waiting: [] };
      lanes.set(operation.set, lane);
      const older = lane.current;
      if (older === undefined) {
        begin();
        lane.chain = 0;
        return lead(lane, operation);
      }
      if (lane.chain >= settings.preemptionChain) return void lane.waiting.push({ operation, begin });
      begin();
      lane.chain += 1;
      lead(lane, operation);
      operations.takeOver(older, operation);
    },
  };
}
