import { FleetError } from '../../fleet/errors.ts';
import {
  BATCHED_STATES,
  HELD_STATES,
  LEASE_NEXT,
  type LeaseState,
  mayBecome,
  type MachineState,
} from '../../fleet/lifecycle.ts';
import { HOLDING } from '../../fleet/store.ts';
import type { BatchRow, InstanceRow, IntentRow, LeaseRow, MachineRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** What the database itself refuses: checks, unique indexes, the foreign key of a hold, and the triggers. */
export function createFences(tables: Tables, fenced: boolean) {
  const touched = new Set<string>();
  const refuse = (wrongs: Iterable<string>): void => {
    if (!fenced) return;
    for (const wrong of wrongs) throw new FleetError(wrong, { code: 'refused', remedy: 'give-up' });
  };
  return {
    machine(before: MachineRow | undefined, row: MachineRow): void {
      touched.add(row.id);
      refuse(wrongMachine(row));
      refuse(wrongMachineWrite(tables, before, row));
    },
    lease(before: LeaseRow | undefined, row: LeaseRow): void {
      if (row.machine !== null) touched.add(row.machine);
      refuse(wrongLease(row));
      refuse(wrongRetry(tables, row));
      if (before !== undefined) refuse(wrongLeaseWrite(before, row));
    },
    intent: (row: IntentRow): void => refuse(wrongIntent(tables, row)),
    batch: (row: BatchRow): void => refuse(wrongBatch(tables, row)),
    instance(before: InstanceRow | undefined, row: InstanceRow): void {
      if (before !== undefined) refuse(wrongInstanceWrite(before, row));
    },
    /** Both sides of a hold are judged once a transaction has made both of its writes. */
    holds(): void {
      for (const machine of touched) refuse(wrongHold(tables, machine));
      touched.clear();
    },
  };
}

function isHeld(state: MachineState): boolean {
  return (HELD_STATES as readonly MachineState[]).includes(state);
}

function* wrongMachine(row: MachineRow): Generator<string> {
  const name = `machine ${row.id}`;
  if ((row.intent === null) !== (row.intentKind === null)) yield `${name}: an intent has a kind`;
  if (row.state === 'ready' && !row.clean) yield `${name}: only a clean machine is ready`;
  const isBatched = (BATCHED_STATES as readonly MachineState[]).includes(row.state);
  if (row.batch !== null && !isBatched) yield `${name}: ${row.state} waits for no batch`;
  if (row.lease !== null && !isHeld(row.state)) yield `${name}: ${row.state} with a lease`;
  if (row.lease === null && row.state === 'leased') yield `${name}: leased to nobody`;
}

function* wrongMachineWrite(
  tables: Tables,
  before: MachineRow | undefined,
  row: MachineRow,
): Generator<string> {
  if (before !== undefined) yield* wrongMove(before, row);
  const { id, instance, lease } = row;
  const others = tables.machines.where((each) => each.id !== id);
  if (instance !== null && others.some((each) => each.instance === instance)) {
    yield `instance ${instance} is another machine's`;
  }
  if (lease !== null && others.some((each) => each.lease === lease))
    yield `lease ${lease} has another machine`;
}

function* wrongMove(before: MachineRow, row: MachineRow): Generator<string> {
  if (before.state !== row.state && !mayBecome(before.state, row.state)) {
    yield `machine ${row.id} may not go from ${before.state} to ${row.state}`;
  }
  if (before.instance !== null && row.instance !== before.instance)
    yield `machine ${row.id} keeps its instance`;
  if (before.token > row.token) yield `machine ${row.id}: a fencing token never goes down`;
}

function* wrongLease(row: LeaseRow): Generator<string> {
  if (HOLDING.includes(row.state) && row.machine === null) yield `lease ${row.id} holds no machine`;
  const isUndecided = row.state === 'pending' || row.state === 'active';
  if ((row.outcome === null) !== isUndecided) yield `lease ${row.id} is ${row.state} with ${row.outcome}`;
}

function* wrongRetry(tables: Tables, row: LeaseRow): Generator<string> {
  const { id, retries, maxRetries, retryOf, retriedBy } = row;
  const counts = retries <= maxRetries && (retries === 0) === (retryOf === null);
  if (!counts) yield `lease ${id} is retry ${retries} of ${maxRetries}, in the place of ${retryOf}`;
  const mayBeRetried = row.outcome === 'lost' && retries < maxRetries;
  if (retriedBy !== null && !mayBeRetried) yield `lease ${id} is ${row.outcome} and has been retried`;
  if (retryOf === null) return;
  const successors = tables.leases.where((each) => each.retryOf === retryOf);
  if (successors.length > 1) yield `lease ${retryOf} has been retried already`;
}

function* wrongLeaseWrite(before: LeaseRow, row: LeaseRow): Generator<string> {
  const moves = before.state !== row.state;
  if (moves && !(LEASE_NEXT[before.state] as readonly LeaseState[]).includes(row.state)) {
    yield `lease ${row.id} may not go from ${before.state} to ${row.state}`;
  }
  if (before.machine !== null && row.machine !== before.machine) yield `lease ${row.id} keeps its machine`;
  if (before.outcome === null) return;
  if (row.outcome !== before.outcome || (moves && row.state !== before.outcome)) {
    yield `lease ${row.id}: an ending lease becomes the outcome it shows`;
  }
}

function* wrongIntent(tables: Tables, row: IntentRow): Generator<string> {
  if (row.closedAt !== null) return;
  const open = tables.intents.where((each) => each.machine === row.machine && each.closedAt === null);
  if (open.length > 1) yield `machine ${row.machine} has an open intent already`;
}

function* wrongBatch(tables: Tables, row: BatchRow): Generator<string> {
  if (!row.holdsLane) return;
  const holders = tables.batches.where((each) => each.lane === row.lane && each.holdsLane);
  if (holders.length > 1) yield `lane ${row.lane} is held already`;
}

function* wrongInstanceWrite(before: InstanceRow, row: InstanceRow): Generator<string> {
  const wasCondemned = before.condemnedAt !== null;
  if (wasCondemned && row.condemnedAt === null) yield `instance ${row.id} stays condemned`;
  if (row.machine === null || row.machine === before.machine) return;
  if (before.machine !== null) yield `instance ${row.id} keeps its machine`;
  if (wasCondemned) yield `condemned instance ${row.id} is not adopted`;
}

function* wrongHold(tables: Tables, machine: string): Generator<string> {
  const holders = tables.leases.where((each) => each.machine === machine && HOLDING.includes(each.state));
  const [holder] = holders;
  if (holder === undefined) return;
  if (holders.length > 1) yield `machine ${machine} is held by ${holders.length} leases`;
  const state = tables.machines.get(machine)?.state;
  if (state === undefined || !isHeld(state))
    yield `lease ${holder.id} holds machine ${machine}, which is ${state}`;
}
