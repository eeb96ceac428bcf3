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
  const refuse = (isWrong: boolean, what: string): void => {
    if (isWrong && fenced) throw new FleetError(what, { code: 'refused', remedy: 'give-up' });
  };
  return {
    machine(before: MachineRow | undefined, row: MachineRow): void {
      touched.add(row.id);
      refuse(before !== undefined && !isMove(before.state, row.state), moved('machine', before, row));
      refuse((before?.token ?? 0) > row.token, `machine ${row.id}: a fencing token never goes down`);
      for (const wrong of wrongMachine(row)) refuse(true, `machine ${row.id}: ${wrong}`);
      const { instance } = row;
      if (instance === null || before?.instance === instance) return;
      const others = tables.machines.where((each) => each.instance === instance && each.id !== row.id);
      refuse(others.length > 0, `instance ${instance} is machine ${others[0]?.id}'s`);
    },
    lease(before: LeaseRow | undefined, row: LeaseRow): void {
      if (row.machine !== null) touched.add(row.machine);
      const isLawful =
        before === undefined || before.state === row.state || isLeaseMove(before.state, row.state);
      refuse(!isLawful, moved('lease', before, row));
      for (const wrong of wrongLease(before, row)) refuse(true, `lease ${row.id}: ${wrong}`);
    },
    intent(_before: IntentRow | undefined, row: IntentRow): void {
      if (row.closedAt !== null) return;
      const open = tables.intents.where((each) => each.machine === row.machine && each.closedAt === null);
      refuse(open.length > 1, `machine ${row.machine} has an open intent already`);
    },
    batch(_before: BatchRow | undefined, row: BatchRow): void {
      if (!row.holdsLane) return;
      const holders = tables.batches.where((each) => each.lane === row.lane && each.holdsLane);
      refuse(holders.length > 1, `lane ${row.lane} is held already`);
    },
    instance(before: InstanceRow | undefined, row: InstanceRow): void {
      if (before === undefined) return;
      const isPardoned = before.condemnedAt !== null && row.condemnedAt === null;
      const isAdoptedCondemned =
        before.condemnedAt !== null && before.machine === null && row.machine !== null;
      const isTaken = before.machine !== null && row.machine !== null && before.machine !== row.machine;
      refuse(
        isPardoned || isAdoptedCondemned || isTaken,
        `instance ${row.id} keeps its machine and its sentence`,
      );
    },
    /** Both sides of a hold are judged once a transaction has made both of its writes. */
    holds(): void {
      for (const machine of touched) {
        const holders = tables.leases.where(
          (each) => each.machine === machine && HOLDING.includes(each.state),
        );
        refuse(holders.length > 1, `machine ${machine} is held by ${holders.length} leases`);
        const state = tables.machines.get(machine)?.state;
        const hasSlot = state !== undefined && isHeld(state);
        refuse(
          holders.length > 0 && !hasSlot,
          `lease ${holders[0]?.id} holds machine ${machine}, which is ${state}`,
        );
      }
      touched.clear();
    },
  };
}

function moved(
  what: string,
  before: { id: string; state: string } | undefined,
  row: { state: string },
): string {
  return `${what} ${before?.id} may not go from ${before?.state} to ${row.state}`;
}

function isMove(from: MachineState, to: MachineState): boolean {
  return from === to || mayBecome(from, to);
}

function isLeaseMove(from: LeaseState, to: LeaseState): boolean {
  return (LEASE_NEXT[from] as readonly LeaseState[]).includes(to);
}

function isHeld(state: MachineState): boolean {
  return (HELD_STATES as readonly MachineState[]).includes(state);
}

function* wrongMachine(row: MachineRow): Generator<string> {
  if ((row.intent === null) !== (row.intentKind === null)) yield 'an intent has a kind';
  if (row.state === 'ready' && !row.clean) yield 'only a clean machine is ready';
  const isBatched = (BATCHED_STATES as readonly MachineState[]).includes(row.state);
  if (row.batch !== null && !isBatched) yield `${row.state} waits for no batch`;
  if (row.lease !== null && !isHeld(row.state)) yield `${row.state} with a lease`;
  if (row.lease === null && row.state === 'leased') yield 'leased to nobody';
}

function* wrongLease(before: LeaseRow | undefined, row: LeaseRow): Generator<string> {
  if (HOLDING.includes(row.state) && row.machine === null) yield 'it holds no machine';
  const isUndecided = row.state === 'pending' || row.state === 'active';
  if ((row.outcome === null) !== isUndecided) yield `${row.state} with the outcome ${row.outcome}`;
  if (before === undefined) return;
  if (before.machine !== null && row.machine !== before.machine) yield 'it keeps its machine';
  if (before.outcome === null) return;
  const isKept =
    row.outcome === before.outcome && (row.state === before.state || row.state === before.outcome);
  if (!isKept) yield 'an ending lease becomes the outcome it shows';
}
