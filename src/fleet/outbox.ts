import type { IntentKind, MachineState, Step } from './lifecycle.ts';

/** Something the queues are to be told, written in the same commit as the state it follows from. */
export type Bell =
  /** A new intent: publish the flow of the steps it still owes. */
  | {
      id: number;
      kind: 'flow';
      machine: string;
      intent: string;
      pool: string;
      state: MachineState;
      intentKind: IntentKind;
    }
  /** One owed step rung again, as a single job. */
  | { id: number; kind: 'step'; machine: string; intent: string; pool: string; step: Step; ring: number }
  /** A batch whose job has been lost. */
  | { id: number; kind: 'batch'; batch: string; ring: number }
  /** A delayed job whose wait is over; `job` is its id. */
  | { id: number; kind: 'wake'; job: string; tries: number };

export interface Outbox {
  /**
   * Hands waiting bells to `deliver`, in the order they were written, and forgets those it delivered. What `deliver`
   * puts off is kept until then; where it throws, all are kept. Answers how many there were.
   */
  deliver(act: {
    now: Date;
    limit: number;
    deliver(bells: readonly Bell[]): Promise<ReadonlyMap<number, Date>>;
  }): Promise<number>;
}
