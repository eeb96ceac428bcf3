import { FleetError } from '../../fleet/errors.ts';
import type { Clock } from '../../fleet/ports.ts';
import type { Verb } from '../../fleet/provider.ts';

type MemoryOperation = Verb | 'poll' | 'inventory';

/** What a test may do to the cloud in memory, and what it may ask it. */
export interface Controls {
  /** How often each operation arrived, refused ones included. */
  calls(): Readonly<Record<string, number>>;
  /** Refuses the next call of this operation with `error`; nothing is done. */
  failNext(operation: MemoryOperation, error: FleetError): void;
  /** Executes the next call of this verb, but loses its answer. */
  loseReply(verb: Verb): void;
  /** The next launch makes at most this many; 0 refuses it for want of capacity. */
  launchAtMost(count: number): void;
  /** Keeps calls of this operation waiting, before they are received, until the answered function is called. */
  hold(operation: MemoryOperation): () => void;
  /** Lets a call in: waits while its operation is held, counts it, throws what it is to be refused with. */
  receive(operation: MemoryOperation, signal: AbortSignal): Promise<void>;
  /** True, once, where the answer to this call is to be lost. */
  losesReply(verb: Verb): boolean;
  /** What `launchAtMost` allows the launch that asks; Infinity without it. */
  launchLimit(): number;
}

export function createControls(clock: Clock): Controls {
  const counts = new Map<string, number>();
  const failures = new Map<MemoryOperation, FleetError[]>();
  const openFromMs = new Map<MemoryOperation, number>();
  const holds = new Map<MemoryOperation, Promise<void>>();
  const losing: Verb[] = [];
  const limits: number[] = [];
  const nowMs = (): number => clock.now().getTime();
  return {
    calls: () => Object.fromEntries(counts),
    failNext: (operation, error) => void failures.set(operation, [...(failures.get(operation) ?? []), error]),
    loseReply: (verb) => void losing.push(verb),
    launchAtMost: (count) => void limits.push(count),
    hold(operation) {
      const { promise, resolve } = Promise.withResolvers<void>();
      holds.set(operation, promise);
      return () => {
        holds.delete(operation);
        resolve();
      };
    },
    async receive(operation, signal) {
      const held = holds.get(operation);
      if (held !== undefined) await heldOrAborted(held, signal);
      checkNotAborted(operation, signal);
      checkOpen(operation, (openFromMs.get(operation) ?? 0) - nowMs());
      counts.set(operation, (counts.get(operation) ?? 0) + 1);
      const error = failures.get(operation)?.shift();
      if (error === undefined) return;
      openFromMs.set(operation, nowMs() + (error.retryAfterMs ?? 0));
      throw error;
    },
    losesReply(verb) {
      const index = losing.indexOf(verb);
      if (index >= 0) losing.splice(index, 1);
      return index >= 0;
    },
    launchLimit: () => limits.shift() ?? Infinity,
  };
}

function heldOrAborted(held: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const open = (): void => resolve();
  signal.addEventListener('abort', open, { once: true });
  return Promise.race([held, promise]).finally(() => signal.removeEventListener('abort', open));
}

function checkNotAborted(operation: MemoryOperation, signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new FleetError(`The ${operation} was called off before it was sent.`, {
    code: 'unavailable',
    remedy: 'retry',
    cause: signal.reason,
  });
}

/** A refusal that named a time is kept: nothing is received before it has passed. */
function checkOpen(operation: MemoryOperation, waitMs: number): void {
  if (waitMs <= 0) return;
  throw new FleetError(`The ${operation} must wait ${waitMs} ms: the cloud said so.`, {
    code: 'throttled',
    remedy: 'retry-later',
    retryAfterMs: waitMs,
  });
}
