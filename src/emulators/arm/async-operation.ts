import { randomUUID } from 'node:crypto';

import type { ScaledClock } from '../scaled-clock.ts';

/** One instance's part of an operation. Exactly one of `effect` and `abandon` is called, once. */
export interface Task {
  delayMs: number;
  effect(): void;
  abandon(why: 'failed' | 'preempted'): void;
  /** Whether an operation that preempts this one may forget it. */
  mayBeLost: boolean;
}

/** A long-running operation as its status URL shows it. */
export interface AsyncOperation {
  readonly id: string;
  readonly name: string;
  readonly requestId: string;
  /** Lower-case name of the scale set it works on. */
  readonly set: string;
  readonly startedMs: number;
  status: 'InProgress' | 'Succeeded' | 'Failed';
  error: { code: string; message: string } | undefined;
  endedMs: number | undefined;
  endedCloudMs: number;
  /** What it ends with once its tasks are done, where it does not succeed. */
  failure: { code: string; message: string } | undefined;
  /** True where a fault makes it fail: then about half of its tasks are abandoned. */
  sabotaged: boolean;
  /** What its Location answers after success. */
  result: () => unknown;
  readonly tasks: Set<{ cancel(): void; task: Task; owner: AsyncOperation }>;
  readonly onEnd: (() => void)[];
}

/** Ends it once: later ends change nothing. */
export function endOperation(
  operation: AsyncOperation,
  clock: ScaledClock,
  error: { code: string; message: string } | undefined,
): void {
  if (operation.status !== 'InProgress') return;
  operation.status = error === undefined ? 'Succeeded' : 'Failed';
  operation.error = error;
  operation.endedMs = clock.realMs();
  operation.endedCloudMs = clock.cloudMs();
  for (const listener of operation.onEnd) listener();
}

export function preemption(operation: AsyncOperation): { code: string; message: string } {
  return {
    code: 'OperationPreempted',
    message: `Operation ${operation.id} was preempted by a more recent operation.`,
  };
}

export function createOperation(
  call: { name: string; requestId: string; set: string },
  startedMs: number,
): AsyncOperation {
  return {
    ...call,
    set: call.set.toLowerCase(),
    id: randomUUID(),
    startedMs,
    status: 'InProgress',
    error: undefined,
    endedMs: undefined,
    endedCloudMs: 0,
    failure: undefined,
    sabotaged: false,
    result: () => undefined,
    tasks: new Set(),
    onEnd: [],
  };
}
