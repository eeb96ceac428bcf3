import type { Lease } from '../../fleet/pool.ts';
import { HOLDING, type LeaseActs } from '../../fleet/store.ts';
import { after, byOrder } from './due.ts';
import type { Memory } from './memory.ts';
import type { LeaseRow } from './rows.ts';
import type { Tables } from './tables.ts';
import { toLease } from './to-lease.ts';

/** Pairs pending requests with ready machines; a machine with an open intent is not ready to anybody. */
export function match({ tables }: Memory, act: Parameters<LeaseActs['match']>[0]): readonly Lease[] {
  const { pool, now, by } = act;
  const free = tables.machines
    .where((each) => each.pool === pool.name && each.state === 'ready' && each.intentKind === null)
    .toSorted(byOrder((each) => [each.stateSince.getTime()]));
  const began: LeaseRow[] = [];
  for (const [index, lease] of inTurn(tables, act).slice(0, act.limit).entries()) {
    const machine = free[index];
    if (machine === undefined) break;
    const heldMs = Math.min(lease.heartbeatTimeoutMs, lease.maxDurationMs);
    const active: LeaseRow = {
      ...lease,
      ...{ state: 'active', machine: machine.id, pool: pool.name, activeAt: now, changedAt: now },
      deadlineAt: after(now, heldMs),
    };
    tables.leases.put(active);
    tables.machines.put({
      ...machine,
      ...{ state: 'leased', lease: lease.id, clean: false, uses: machine.uses + 1, token: machine.token + 1 },
      ...{ stateSince: now, deadlineAt: after(now, lease.maxDurationMs), changedBy: by, changedAt: now },
    });
    began.push(active);
  }
  return began.map((lease) => toLease(tables, lease));
}

/** By priority, then fairly between owners (who holds and asks for fewer goes first), then by age. */
function inTurn(tables: Tables, act: Parameters<LeaseActs['match']>[0]): LeaseRow[] {
  const byAge = byOrder<LeaseRow>((lease) => [lease.requestedAt.getTime()]);
  const pending = tables.leases
    .where((each) => each.state === 'pending' && each.pools.includes(act.pool.name))
    .filter((each) => each.deadlineAt !== null && each.deadlineAt > act.now)
    .toSorted(byAge);
  const holding = tables.leases.where((each) => HOLDING.includes(each.state));
  const turns = new Map<string, number>();
  for (const lease of pending) {
    const { owner } = lease;
    const held = holding.filter((each) => each.owner === owner).length;
    const earlier = pending.slice(0, pending.indexOf(lease));
    const asked = earlier.filter((each) => each.owner === owner && each.priority === lease.priority);
    turns.set(lease.id, held + asked.length + 1);
  }
  const keysOf = (lease: LeaseRow): number[] => [
    -lease.priority,
    turns.get(lease.id) ?? 0,
    lease.requestedAt.getTime(),
  ];
  return pending.toSorted(byOrder(keysOf));
}
