import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Agenda } from './agenda.ts';
import { createOperation, endOperation, preemption } from './async-operation.ts';
import type { AsyncOperation, Task } from './async-operation.ts';

export interface AsyncOperations {
  open(call: { name: string; requestId: string; set: string }): AsyncOperation;
  /** Forgets an operation whose request was refused. */
  discard(operation: AsyncOperation): void;
  /** Undefined where it never was, or its lifetime after its end has passed. */
  find(id: string): AsyncOperation | undefined;
  /** Sets its tasks going; it ends with the last of them, or after `idleMs` where there are none. */
  run(operation: AsyncOperation, tasks: readonly Task[], idleMs: number): void;
  fail(operation: AsyncOperation, code: string, message: string): void;
  /** Ends `older` with OperationPreempted; `newer` takes over its tasks, but for those that get lost. */
  takeOver(older: AsyncOperation, newer: AsyncOperation): void;
  /** Ends it with OperationPreempted and drops its tasks, whose instances are going away with their set. */
  abort(operation: AsyncOperation): void;
  runningOn(set: string): AsyncOperation[];
}

interface AsyncOperationsDeps {
  clock: ScaledClock;
  agenda: Agenda;
  randomness: Randomness;
  settings: { operationLifetimeMs: number; preemptionLoss: number };
}

export function createAsyncOperations(deps: AsyncOperationsDeps): AsyncOperations {
  const { clock, settings } = deps;
  const operations = new Map<string, AsyncOperation>();
  const isExpired = (operation: AsyncOperation): boolean =>
    operation.status !== 'InProgress' &&
    clock.cloudMs() > operation.endedCloudMs + settings.operationLifetimeMs;
  const purge = (): void => {
    for (const operation of operations.values()) if (isExpired(operation)) operations.delete(operation.id);
  };
  return {
    open(call) {
      purge();
      const operation = createOperation(call, clock.realMs());
      operations.set(operation.id, operation);
      return operation;
    },
    discard: (operation) => void operations.delete(operation.id),
    find(id) {
      const operation = operations.get(id.toLowerCase());
      return operation === undefined || isExpired(operation) ? undefined : operation;
    },
    run(operation, tasks, idleMs) {
      for (const task of tasks) startTask(deps, operation, task);
      if (tasks.length === 0) startTask(deps, operation, idleTask(idleMs));
    },
    fail: (operation, code, message) => endOperation(operation, clock, { code, message }),
    takeOver: (older, newer) => takeOver(deps, older, newer),
    abort(operation) {
      for (const entry of operation.tasks) entry.cancel();
      operation.tasks.clear();
      endOperation(operation, clock, preemption(operation));
    },
    runningOn: (set) =>
      [...operations.values()].filter(
        (each) => each.set === set.toLowerCase() && each.status === 'InProgress',
      ),
  };
}

function startTask(
  { clock, agenda, randomness }: AsyncOperationsDeps,
  operation: AsyncOperation,
  task: Task,
): void {
  const isAbandoned = operation.sabotaged && randomness.next() < 0.5;
  const entry = { task, owner: operation, cancel: (): void => undefined };
  operation.tasks.add(entry);
  entry.cancel = agenda.after(task.delayMs, () => {
    // The owner may have changed: an operation that preempts another one ends with the last task of both.
    const { owner } = entry;
    owner.tasks.delete(entry);
    if (isAbandoned) task.abandon('failed');
    else task.effect();
    if (owner.tasks.size === 0) endOperation(owner, clock, owner.failure);
  });
}

function idleTask(delayMs: number): Task {
  return { delayMs, mayBeLost: false, effect: () => undefined, abandon: () => undefined };
}

function takeOver(
  { clock, randomness, settings }: AsyncOperationsDeps,
  older: AsyncOperation,
  newer: AsyncOperation,
): void {
  for (const entry of older.tasks) {
    if (entry.task.mayBeLost && randomness.next() < settings.preemptionLoss) {
      entry.cancel();
      entry.task.abandon('preempted');
    } else {
      entry.owner = newer;
      newer.tasks.add(entry);
    }
  }
  older.tasks.clear();
  endOperation(older, clock, preemption(older));
}
