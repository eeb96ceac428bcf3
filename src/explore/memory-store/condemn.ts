import { ringFlow } from './bells.ts';
import { after, byOrder } from './due.ts';
import type { Memory } from './memory.ts';
import { AT_ONCE_MS } from './open-intent.ts';
import type { MachineRow } from './rows.ts';

/** Gives each instance that no machine owns a machine of its own, born with a retire; answers those condemned. */
export function condemn(
  memory: Memory,
  act: { instances: readonly string[]; reason: string; now: Date; by: string },
): readonly string[] {
  const { tables, newId } = memory;
  const { now, by, reason } = act;
  const unowned = tables.instances
    .where((each) => act.instances.includes(each.id) && tables.pools.get(each.pool) !== undefined)
    .filter((each) => each.machine === null && each.condemnedAt === null && each.goneAt === null)
    .toSorted(byOrder(() => []));
  for (const instance of unowned) {
    const machine: MachineRow = {
      ...UNDERTAKER,
      ...{
        id: newId('machine'),
        pool: instance.pool,
        placement: instance.placement,
        intent: newId('intent'),
      },
      ...{
        instance: instance.id,
        address: instance.address,
        stateSince: now,
        deadlineAt: after(now, AT_ONCE_MS),
      },
      ...{ changedBy: by, changedAt: now },
    };
    // Born as a wish whose launch is over: it stands where a given-up launch stands.
    tables.machines.put({ ...machine, state: 'requested' });
    tables.machines.put(machine);
    tables.intents.put({
      ...{ id: machine.intent ?? '', machine: machine.id, kind: 'retire', reason },
      ...{ closedAt: null, closedWhy: null },
    });
    const changed = { changedBy: by, changedAt: now };
    tables.instances.put({ ...instance, ...changed, machine: machine.id, condemnedAt: now });
    ringFlow(tables, machine, now);
  }
  return unowned.map((each) => each.id);
}

/** What a machine's row begins with. */
export const NEWBORN = {
  token: 0,
  claimedUntil: null,
  claimedBy: null,
  batch: null,
  lease: null,
  instance: null,
  address: null,
  clean: false,
  halted: false,
  uses: 0,
  owed: null,
  ring: 0,
  rungAt: null,
  failures: 0,
  failure: null,
  refusals: 0,
  refusedSince: null,
} as const;

const UNDERTAKER = { ...NEWBORN, state: 'provisioning', intentKind: 'retire' } as const;
